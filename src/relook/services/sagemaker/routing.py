"""What the three ways to invoke share: from a request to an instance, and from its failures to errors."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from relook.aws.body import IncomingBody
from relook.aws.errors import ServiceError
from relook.aws.operation import Members
from relook.containers.serving.api import (
    AnswerTooLarge,
    ContainerGone,
    Instance,
    Invocation,
    ModelNotReady,
    NoSuchContainer,
    NoSuchModel,
    Reply,
    ServingError,
    Unreachable,
)
from relook.core.endpoint_states import choose
from relook.core.names import Scope
from relook.core.serving import ContainerMode, ModelDefinition
from relook.services.sagemaker.errors import (
    invocation_refused,
    model_error,
    model_not_ready,
    no_such_endpoint,
    unavailable,
)
from relook.services.sagemaker.fleets import Busy, Lease, NotReady, Retired
from relook.services.sagemaker.hosting import Hosting
from relook.services.sagemaker.live import Live, LiveVariant

_NOT_OFFERED = {
    "EnableExplanations": "explainers are not there: leave it out",
    "InferenceComponentName": "inference components are not there: name a production variant with TargetVariant",
    "PrefixAwareId": "prefix-aware routing is not there: leave it out",
}
NEW_SESSION = "NEW_SESSION"
_SHOWN = 32 * 1024
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.05


@dataclass(frozen=True, slots=True)
class InvocationLimits:
    """`body_bytes` in either direction. `seconds` a container has for an answer; `patience` for one to come up.

    An answer that is streamed is not held in memory, and may be longer and last longer.
    """

    body_bytes: int = 6 * 2**20
    seconds: float = 60.0
    patience: float = 50.0
    stream_bytes: int = 2**30
    stream_seconds: float = 480.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a request goes."""

    live: Live
    variant: LiveVariant
    lease: Lease
    started: float

    @property
    def instance(self) -> Instance:
        return self.lease.instance

    @property
    def name(self) -> str:
        """Of the variant."""
        return self.variant.variant.name


class Router:
    """From the name of an endpoint to an instance of one of its variants."""

    def __init__(self, hosting: Hosting, chance: random.Random | None = None) -> None:
        self._hosting = hosting
        self._chance = chance or random.Random()

    def require(self, scope: Scope, name: str) -> Live:
        live = self._hosting.live(scope, name)
        if live is None:
            raise no_such_endpoint(name, scope.account)
        return live

    @asynccontextmanager
    async def take(self, scope: Scope, members: Members, patience: float, lasting: float) -> AsyncIterator[Taken]:
        """An instance for one request; asks again where the variant was replaced while it waited.

        Raises ServiceError, and nothing for what happens inside the block.
        """
        name, session = members["EndpointName"], members.get("SessionId")
        deadline = time.monotonic() + patience
        while True:
            live = self.require(scope, name)
            chosen = self._choose(live, members)
            lease = chosen.fleet.lease(deadline - time.monotonic(), lasting, session)
            try:
                taken = await lease.__aenter__()
            except Retired:
                continue
            except NotReady as error:
                raise model_not_ready(f"Endpoint {name}, variant {chosen.variant.name}: {error}") from error
            except Busy as error:
                raise unavailable(f"Endpoint {name}, variant {chosen.variant.name}: {error}; try again") from error
            break
        try:
            chosen.counts.add()
            yield Taken(live, chosen, taken, time.monotonic())
        finally:
            await lease.__aexit__(None, None, None)

    async def ask(self, scope: Scope, members: Members, invocation: Invocation, patience: float) -> tuple[Taken, Reply]:
        """A container's answer, of whatever status, and who gave it. ServiceError, and ContainerLost.

        A request that no container has seen is sent again: the one it was for had just ended.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            async with self.take(scope, members, patience, invocation.timeout) as taken:
                try:
                    return taken, await taken.instance.invoke(invocation)
                except Unreachable as error:
                    if attempt == _ATTEMPTS or len(taken.variant.variant.model.containers) > 1:
                        raise _failed(taken, error, invocation.timeout) from error
                except ServingError as error:
                    raise _failed(taken, error, invocation.timeout) from error
            await asyncio.sleep(_PAUSE_SECONDS * attempt)  # its end is noticed within that time
        raise AssertionError("the last attempt returned or raised")

    def _choose(self, live: Live, members: Members) -> LiveVariant:
        target = members.get("TargetVariant")
        if target is not None:
            found = live.variant(target)
            if found is None:
                there = ", ".join(each.variant.name for each in live.variants)
                raise invocation_refused(
                    f"Variant {target} not found for endpoint {live.name}; it has the production variants {there}"
                )
        else:
            index = choose(live.weights, self._chance.random())
            if index is None:
                raise invocation_refused(
                    f"Every variant of endpoint {live.name} has weight 0: name one with TargetVariant, or give one a "
                    "weight with UpdateEndpointWeightsAndCapacities"
                )
            found = live.variants[index]
        _check_targets(found.variant.model, members)
        return found


async def read_body(members: Members, limit: int) -> bytes:
    """The whole body; ValidationError in the words of a broken constraint when it is longer than `limit` bytes."""
    given: IncomingBody | None = members.get("Body")
    if given is None:
        return b""
    size = given.content_length or 0
    if size > limit:
        raise invocation_refused(
            f"1 validation error detected: Value of {size} bytes at 'body' failed to satisfy constraint: Member must "
            f"have length less than or equal to {limit}"
        )
    return await given.read(limit)


def invocation_of(members: Members, body: bytes, *, timeout: float, largest: int) -> Invocation:
    """What reaches the container. ValidationError for what is asked and not offered."""
    for member, fix in _NOT_OFFERED.items():
        if members.get(member) is not None:
            raise invocation_refused(f"{member} is not offered by this server: {fix}")
    return Invocation(
        body=body,
        content_type=members.get("ContentType"),
        accept=members.get("Accept"),
        custom_attributes=members.get("CustomAttributes"),
        target_model=members.get("TargetModel"),
        target_container=members.get("TargetContainerHostname"),
        session_id=members.get("SessionId"),
        timeout=timeout,
        largest_answer=largest,
    )


def _check_targets(model: ModelDefinition, members: Members) -> None:
    multi = any(each.mode is ContainerMode.MULTI_MODEL for each in model.containers)
    if multi and members.get("TargetModel") is None:
        raise invocation_refused(
            f"Model {model.name} is a multi-model container: name one of its models as TargetModel"
        )
    if not multi and members.get("TargetModel") is not None:
        raise invocation_refused(f"TargetModel was given, but model {model.name} is no multi-model container")
    if model.direct and members.get("TargetContainerHostname") is None:
        raise invocation_refused(f"Model {model.name} is in Direct mode: name a container as TargetContainerHostname")
    if not model.direct and members.get("TargetContainerHostname") is not None:
        raise invocation_refused(f"TargetContainerHostname was given, but model {model.name} is not in Direct mode")


def told(live: Live, variant: LiveVariant, container: str, status: int, body: bytes) -> ServiceError:
    """ModelError for what a container answered."""
    text = body[:_SHOWN].decode("utf-8", "replace")
    return model_error(
        container=_primary(variant, container),
        status=status,
        body=text,
        endpoint=live.name,
        region=live.scope.region,
        account=live.scope.account,
    )


class ContainerLost(ServiceError):
    """ModelError for a container that went away under a request: another may be able to answer it.

    `seconds` is for how long it had the request.
    """

    seconds = 0.0


def _failed(taken: Taken, error: ServingError, timeout: float) -> ServiceError:
    told = failed(taken, error, timeout)
    if not isinstance(error, ContainerGone) or timed_out(taken, timeout):
        return told
    lost = ContainerLost(told.code, told.message, told.status, members=told.members)
    lost.seconds = time.monotonic() - taken.started
    return lost


def failed(taken: Taken, error: ServingError, timeout: float) -> ServiceError:
    """What a client hears when the container gave no answer."""
    if isinstance(error, ModelNotReady):
        return model_not_ready(str(error))
    if isinstance(error, NoSuchModel):
        return invocation_refused(f"Failed to download model data: {error}")
    if isinstance(error, NoSuchContainer):
        return invocation_refused(str(error))
    if isinstance(error, AnswerTooLarge):
        return told(taken.live, taken.variant, _FIRST, 0, str(error).encode())
    if timed_out(taken, timeout):
        # The words that AWS's own clients know.
        message = (
            f"Your invocation timed out while waiting for a response from container {_FIRST}. Review the latency "
            f"metrics for each container in Amazon CloudWatch, resolve the issue, and try again. ({error})"
        )
    else:
        message = str(error)
    return told(taken.live, taken.variant, _FIRST, 0, message.encode())


def timed_out(taken: Taken, timeout: float) -> bool:
    """Whether the container had all the time there was."""
    return time.monotonic() - taken.started >= timeout


_FIRST = "primary"


def _primary(variant: LiveVariant, container: str) -> str:
    return container if len(variant.variant.model.containers) > 1 else _FIRST
