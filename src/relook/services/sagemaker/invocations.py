"""InvokeEndpoint and InvokeEndpointWithResponseStream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, operation
from relook.containers.serving.api import Reply, ServingError, StreamedReply
from relook.services.sagemaker.capture import Capturer
from relook.services.sagemaker.errors import invocation_refused
from relook.services.sagemaker.names import Kind, resource, scope_of
from relook.services.sagemaker.routing import (
    InvocationLimits,
    Router,
    Taken,
    failed,
    invocation_of,
    read_body,
    timed_out,
    told,
)

_ENDPOINT = resource(Kind.ENDPOINT, "EndpointName")


class Invocations:
    """Requests that are answered at once."""

    def __init__(self, router: Router, capturer: Capturer, limits: InvocationLimits | None = None) -> None:
        self._router = router
        self._capturer = capturer
        self._limits = limits or InvocationLimits()

    @operation("InvokeEndpoint", resource=_ENDPOINT)
    async def invoke(self, context: RequestContext, members: Members) -> Members:
        limits = self._limits
        body = await read_body(members, limits.body_bytes)
        invocation = invocation_of(members, body, timeout=limits.seconds, largest=limits.body_bytes)
        self._refuse_asynchronous(context, members)
        taken, reply = await self._router.ask(scope_of(context), members, invocation, limits.patience)
        if not 200 <= reply.status < 300:
            raise told(taken.live, taken.variant, reply.container, reply.status, reply.body)
        _remember(taken, reply)
        self._capturer.offer(context, taken.live, taken.name, members, body, reply)
        return _answer(taken, reply)

    @operation("InvokeEndpointWithResponseStream", resource=_ENDPOINT)
    async def stream(self, context: RequestContext, members: Members) -> Members:
        limits, seconds = self._limits, self._limits.stream_seconds
        body = await read_body(members, limits.body_bytes)
        invocation = invocation_of(members, body, timeout=seconds, largest=limits.stream_bytes)
        self._refuse_asynchronous(context, members)
        async with AsyncExitStack() as stack:
            lease = self._router.take(scope_of(context), members, limits.patience, seconds)
            taken = await stack.enter_async_context(lease)
            try:
                reply = await taken.instance.invoke_streamed(invocation)
                if not 200 <= reply.status < 300:
                    whole = b"".join([part async for part in reply.parts])
                    raise told(taken.live, taken.variant, reply.container, reply.status, whole)
            except ServingError as error:
                raise failed(taken, error, seconds) from error
            held = stack.pop_all()
        return {
            "Body": _events(taken, reply, held, seconds),
            "ContentType": reply.content_type,
            "CustomAttributes": reply.custom_attributes,
            "InvokedProductionVariant": taken.name,
        }

    def _refuse_asynchronous(self, context: RequestContext, members: Members) -> None:
        live = self._router.require(scope_of(context), members["EndpointName"])
        if live.asynchronous is not None:
            raise invocation_refused(f"Endpoint {live.name} is asynchronous: invoke it with InvokeEndpointAsync")


def _remember(taken: Taken, reply: Reply) -> None:
    """Later requests of a session go to the instance that opened it."""
    if reply.new_session_id is not None:
        taken.lease.bind(reply.new_session_id.partition(";")[0].strip())
    if reply.closed_session_id is not None:
        taken.lease.release(reply.closed_session_id)


def _answer(taken: Taken, reply: Reply) -> dict[str, Any]:
    return {
        "Body": reply.body,
        "ContentType": reply.content_type,
        "InvokedProductionVariant": taken.name,
        "CustomAttributes": reply.custom_attributes,
        "NewSessionId": reply.new_session_id,
        "ClosedSessionId": reply.closed_session_id,
    }


async def _events(
    taken: Taken, reply: StreamedReply, held: AsyncExitStack, timeout: float
) -> AsyncIterator[dict[str, Any]]:
    """The answer as events; the instance is held until it has ended, or the client is gone."""
    async with held:
        try:
            async for part in reply.parts:
                yield {"PayloadPart": {"Bytes": part}}
        except ServingError as error:
            code = "ModelInvocationTimeExceeded" if timed_out(taken, timeout) else "StreamBroken"
            raise ServiceError("ModelStreamError", str(error), members={"ErrorCode": code}) from error
        finally:
            close = getattr(reply.parts, "aclose", None)
            if close is not None:
                await close()
