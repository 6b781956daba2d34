"""One container in the way of an invocation: what it is sent, and what of its answer goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from relook.containers.serving.api import ExecutionParameters, Invocation, NoSuchModel, Reply
from relook.containers.serving.client import Answer
from relook.containers.serving.connection import Head, Request
from relook.containers.serving.multimodel import MultiModel, Refused
from relook.containers.serving.running import Parts, Running

_PREFIX = "X-Amzn-SageMaker-"
_PARAMETERS = Request("GET", "/execution-parameters")
_PARAMETERS_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Stage:
    """A container that answers, and its models where it is one for several."""

    running: Running
    models: MultiModel | None = None

    @property
    def label(self) -> str:
        return self.running.label

    async def ask(self, invocation: Invocation, deadline: float) -> Answer:
        """The container's answer, be it an error. ServingError."""
        try:
            path, release = await self._place(invocation, deadline)
        except Refused as refused:
            return refused.answer
        try:
            request = Request("POST", path, _headers(invocation), invocation.body, invocation.chunked)
            return await self.running.ask(request, invocation.largest_answer, deadline)
        finally:
            release()

    async def stream(
        self, invocation: Invocation, deadline: float, on_end: Callable[[], None]
    ) -> tuple[Head, Parts] | Answer:
        """The answer part by part; `on_end` is then called when no more will come. An Answer where no model loads."""
        try:
            path, release = await self._place(invocation, deadline)
        except Refused as refused:
            return refused.answer

        def end() -> None:
            release()
            on_end()

        try:
            request = Request("POST", path, _headers(invocation), invocation.body, invocation.chunked)
            return await self.running.stream(request, invocation.largest_answer, deadline, end)
        except BaseException:
            release()
            raise

    def reply(self, answer: Answer) -> Reply:
        headers = answer.head.headers
        return Reply(
            status=answer.head.status,
            body=answer.body,
            content_type=headers.get("content-type"),
            custom_attributes=headers.get(_PREFIX.lower() + "custom-attributes"),
            container=self.label,
            new_session_id=headers.get(_PREFIX.lower() + "new-session-id"),
            closed_session_id=headers.get(_PREFIX.lower() + "closed-session-id"),
        )

    async def execution_parameters(self, deadline: float) -> ExecutionParameters:
        """What the container says of them; nothing where it has no such address. ContainerGone."""
        answer = await self.running.ask(_PARAMETERS, _PARAMETERS_LARGEST, deadline)
        return _parameters(answer.body) if answer.head.status == 200 else ExecutionParameters()

    async def stop(self) -> None:
        try:
            await self.running.stop()
        finally:
            if self.models is not None:
                await self.models.close()

    async def _place(self, invocation: Invocation, deadline: float) -> tuple[str, Callable[[], None]]:
        """Where to post, and what to call after the answer."""
        if self.models is None:
            return "/invocations", lambda: None
        if not invocation.target_model:
            raise NoSuchModel("TargetModel is required: the endpoint serves several models")
        return await self.models.take(invocation.target_model, deadline)


def _headers(invocation: Invocation) -> tuple[tuple[str, str], ...]:
    named = (
        ("Content-Type", invocation.content_type),
        ("Accept", invocation.accept),
        (_PREFIX + "Custom-Attributes", invocation.custom_attributes),
        (_PREFIX + "Target-Model", invocation.target_model),
        (_PREFIX + "Session-Id", invocation.session_id),
    )
    return tuple((name, value) for name, value in named if value is not None)


def _parameters(body: bytes) -> ExecutionParameters:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ExecutionParameters()  # what a container has at this address need not be meant for us
    if not isinstance(said, dict):
        return ExecutionParameters()
    strategy = said.get("BatchStrategy")
    return ExecutionParameters(
        max_concurrent=_count(said.get("MaxConcurrentTransforms"), 1),
        multi_record={"MULTI_RECORD": True, "SINGLE_RECORD": False}.get(strategy if isinstance(strategy, str) else ""),
        max_payload_mb=_count(said.get("MaxPayloadInMB"), 0),
    )


def _count(value: Any, least: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None
