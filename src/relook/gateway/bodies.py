"""Request bodies: read whole with a limit and hashed, or handed on as they come."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import NoReturn

from anyio import to_thread

from relook.aws.errors import ServiceError
from relook.gateway.exchange import Exchange

HASH_IN_THREAD = 256 * 1024
"""Bytes from which hashing leaves the event loop: below, changing threads costs more than hashing."""


class WholeBody:
    """An IncomingBody that was read and checked already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.content_length: int | None = len(data)
        self.trailers: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data

    async def read(self, limit: int) -> bytes:
        """All of it, without a copy; ServiceError EntityTooLarge when it is longer than `limit` bytes."""
        if len(self._data) > limit:
            raise ServiceError("EntityTooLarge", f"The body is longer than {limit} bytes.", 413)
        return self._data


async def read_whole(exchange: Exchange, limit: int) -> bytes:
    """The body, at most `limit` bytes: a longer one is refused before it is held, where the client says its length."""
    service = exchange.service
    query = service is not None and service.model.metadata["protocol"] == "query"
    declared = exchange.sent.header("content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        _too_long(limit, query)
    pieces: list[bytes] = []
    async for piece in exchange.incoming:
        pieces.append(piece)
        if exchange.incoming.received > limit:
            _too_long(limit, query)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def sha256(data: bytes) -> str:
    """Lower-case hex."""
    if len(data) <= HASH_IN_THREAD:
        return hashlib.sha256(data).hexdigest()
    return await to_thread.run_sync(_hexdigest, data)


def _hexdigest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _too_long(limit: int, query: bool) -> NoReturn:
    code = "RequestEntityTooLarge" if query else "RequestEntityTooLargeException"
    raise ServiceError(code, f"The body is longer than the {limit} bytes that this service takes.", 413)
