"""One request on its way through the chain, and the bytes of its body as they arrive.

ClientDisconnected    the client went away before its request was read
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel
from starlette.types import Receive

from relook.aws.http import HttpRequest, HttpResponse
from relook.aws.operation import RequestContext, Service
from relook.aws.signature import Signature
from relook.iam.keys import AccessKey


class ClientDisconnected(Exception):
    """The client went away before its request was read to the end."""


class Incoming:
    """The request body as it comes off the wire, once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.received = 0
        self.finished = False

    async def discard(self, limit: int) -> None:
        """Read on and forget, up to `limit` bytes: a client that is still sending would not see an answer else."""
        start = self.received
        async for _ in self:
            if self.received - start > limit:
                return

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.finished:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            self.finished = not message.get("more_body", False)
            piece: bytes = message.get("body", b"")
            self.received += len(piece)
            if piece:
                yield piece


@dataclass(slots=True)
class Exchange:
    """What the steps find out, one after the other; a field is None until its step has run."""

    sent: HttpRequest
    """As it came, which is what signatures cover."""
    request: HttpRequest
    """What is routed: the same, or with the bucket of a virtual host put into the path."""
    incoming: Incoming
    request_id: str
    now: int
    endpoint: str
    virtual_bucket: str | None = None
    service: Service | None = None
    signature: Signature | None = None
    key: AccessKey | None = None
    body: bytes | None = None
    operation: OperationModel | None = None
    context: RequestContext | None = None
    members: dict[str, Any] = field(default_factory=dict)
    error_code: str | None = None
    error_message: str | None = None

    @property
    def has_body(self) -> bool:
        """Whether the request announces a body."""
        length = self.sent.header("content-length")
        return self.sent.header("transfer-encoding") is not None or length not in (None, "0")

    @property
    def left_unread(self) -> bool:
        return self.has_body and not self.incoming.finished


Step = Callable[[Exchange], Awaitable[HttpResponse | None]]
"""One link of the chain: answers, or returns None to let the next one go on, or raises."""


def known(value: Any, name: str) -> Any:
    """A field that an earlier step must have filled."""
    if value is None:
        raise RuntimeError(f"the chain is out of order: no {name} yet")
    return value
