"""The container of a transform job: asked, asked again where that may help, and started anew when it has ended.

RequestFailed    a request got no answer that can be used; the message is for the user
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from relook.containers.serving.api import (
    AnswerTooLarge,
    Instance,
    Invocation,
    Launch,
    LogSink,
    Reply,
    ServingError,
    Starter,
)

_PAUSE = 0.2
"""Seconds before the first retry; doubles with every further one."""
_MOST_TEXT = 200


class RequestFailed(Exception):
    """`of_client` where the data or the job's settings are to blame rather than the model."""

    def __init__(self, message: str, *, of_client: bool) -> None:
        super().__init__(message)
        self.of_client = of_client


@dataclass(frozen=True, slots=True)
class _Trouble:
    error: RequestFailed
    again: bool


class Host:
    """One instance at a time, used on one event loop. `close` it."""

    def __init__(self, starter: Starter, launch: Launch, log: LogSink, retries: int) -> None:
        self._starter = starter
        self._launch = launch
        self._log = log
        self._retries = retries
        self._lock = asyncio.Lock()
        self._instance: Instance | None = None
        self._starts = 0

    async def instance(self) -> Instance:
        """One that is healthy, started if need be. Raises StartFailed."""
        found = self._instance
        if found is not None and found.healthy:
            return found
        async with self._lock:
            found = self._instance
            if found is None or not found.healthy:
                await self._stop()
                self._starts += 1
                launch = replace(self._launch, name=f"{self._launch.name}-{self._starts}")
                found = self._instance = await self._starter.start(launch, self._log)
            return found

    async def ask(self, invocation: Invocation) -> Reply:
        """The answer of a success, after as many retries as are allowed. Raises RequestFailed and StartFailed."""
        tries = 0
        while True:
            found = await self._try(invocation)
            if isinstance(found, Reply):
                return found
            if not found.again or tries == self._retries:
                raise found.error
            await asyncio.sleep(_PAUSE * 2**tries)
            tries += 1

    async def close(self) -> None:
        """End the container."""
        async with self._lock:
            await self._stop()

    async def _try(self, invocation: Invocation) -> Reply | _Trouble:
        instance = await self.instance()
        try:
            reply = await instance.invoke(invocation)
        except AnswerTooLarge as error:
            return _Trouble(RequestFailed(str(error), of_client=False), again=False)
        except ServingError as error:
            return _Trouble(RequestFailed(str(error), of_client=False), again=True)
        if 200 <= reply.status < 300:
            return reply
        text = reply.body[:_MOST_TEXT].decode("utf-8", "replace").strip()
        of_client = 400 <= reply.status < 500
        failed = RequestFailed(f"the model answered {reply.status}: {text}", of_client=of_client)
        return _Trouble(failed, again=not of_client or reply.status == 429)

    async def _stop(self) -> None:
        left, self._instance = self._instance, None
        if left is not None:
            await left.stop()


def numbered(write: Callable[[str], None], several: bool) -> LogSink:
    """A sink that says which container a line is of where there are several."""
    return lambda container, line: write(f"[{container}] {line}" if several else line)
