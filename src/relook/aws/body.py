"""The two directions of a streaming payload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


class IncomingBody(Protocol):
    """A streaming request payload: what the client meant, after aws-chunked framing is taken off.

    Iterating raises ServiceError at the end when the bytes differ from the signed hash or a trailing checksum, so a
    reader must reach the end before it trusts a byte.
    """

    content_length: int | None
    """Length of the decoded payload in bytes, None when the client did not say."""

    @property
    def trailers(self) -> dict[str, str]:
        """Trailing headers (lower case), filled once the end was reached."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def read(self, limit: int) -> bytes:
        """All of it; ServiceError EntityTooLarge-like as soon as more than `limit` bytes arrive."""
        ...


@dataclass(frozen=True, slots=True)
class OutgoingBody:
    """A streaming response payload. Without a length it is sent in chunks, until `chunks` has ended."""

    content_length: int | None
    chunks: AsyncIterator[bytes]
