"""One running copy of a model: every container of it, ready to be asked.

ServingError        the model could not be started or asked; the message is for the user
 +-- StartFailed    a container ended, did not answer /ping in time, or its model data cannot be had
 +-- ContainerGone  it does not answer any more: it ended, closed the connection, or took too long
 |    +-- Unreachable  it could not even be asked, so another instance may be
 +-- AnswerTooLarge its answer is larger than allowed
 +-- NoSuchModel    a multi-model container has no model of that name
 +-- ModelNotReady  a multi-model container is still loading that model; asking again later may help
 +-- NoSuchContainer  no container has the hostname asked for
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from relook.containers.api import Limits
from relook.core.serving import ModelDefinition

LogSink = Callable[[str, str], None]
"""Given the container's hostname or number, and a line of its output; on any thread."""


class ServingError(Exception):
    """The model could not be started or asked."""


class StartFailed(ServingError):
    """A container did not become ready; says which and why."""


class ContainerGone(ServingError):
    """The container does not answer any more, or took too long."""


class Unreachable(ContainerGone):
    """No connection to the container could be made: it has not seen the request."""


class AnswerTooLarge(ServingError):
    """The container's answer is larger than allowed."""


class NoSuchModel(ServingError):
    """TargetModel names nothing under the model's prefix."""


class ModelNotReady(ServingError):
    """The model is still being loaded; the load goes on, so that asking again may help."""


class NoSuchContainer(ServingError):
    """TargetContainerHostname names no container of the model."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What reaches a container: nothing else of the client's headers does. `timeout` in seconds, for all of it.

    `chunked` sends the body in chunks, its length untold, as batch transform does where payloads have no limit.
    """

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    target_model: str | None = None
    target_container: str | None = None
    session_id: str | None = None
    timeout: float = 60.0
    largest_answer: int = 6 * 2**20
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The last container's answer, or the first that was not a success; `container` says whose."""

    status: int
    body: bytes
    content_type: str | None
    custom_attributes: str | None
    container: str
    new_session_id: str | None = None
    closed_session_id: str | None = None


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """An answer as it arrives; a status that is no success comes with its whole body as one part."""

    status: int
    parts: AsyncIterator[bytes]
    content_type: str | None
    custom_attributes: str | None
    container: str


@dataclass(frozen=True, slots=True)
class ExecutionParameters:
    """What GET /execution-parameters says, for batch; None where it does not."""

    max_concurrent: int | None = None
    multi_record: bool | None = None
    max_payload_mb: int | None = None


class Instance(Protocol):
    """Used on one event loop. A container that ends makes `healthy` false; whoever holds the instance replaces it."""

    @property
    def healthy(self) -> bool: ...

    @property
    def in_flight(self) -> int:
        """Invocations that have not been answered yet."""
        ...

    async def invoke(self, invocation: Invocation) -> Reply:
        """Raises ServingError, never for what the container itself answered."""
        ...

    async def invoke_streamed(self, invocation: Invocation) -> StreamedReply:
        """The same, part by part."""
        ...

    async def execution_parameters(self) -> ExecutionParameters:
        """For batch transform, where the container has any."""
        ...

    async def stop(self) -> None:
        """End every container; what is in flight fails with ContainerGone. Safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class Launch:
    """A model to be run once. `name` is unique on this machine; its containers are called `<name>-1`, `<name>-2`, ..

    `account` is whose buckets hold the model data. `environment` comes on top of each container's own (batch). Times
    are in seconds; `limits` hold for each container.
    """

    name: str
    account: str
    model: ModelDefinition
    environment: Mapping[str, str] = field(default_factory=dict)
    startup_timeout: float = 480.0
    download_timeout: float = 3600.0
    limits: Limits = field(default_factory=Limits)
    gpu: bool = False


class Starter(Protocol):
    """Makes instances; used on one event loop."""

    async def start(self, launch: Launch, log: LogSink) -> Instance:
        """Returns once every container answers /ping. StartFailed, and a cancel, leave nothing running."""
        ...
