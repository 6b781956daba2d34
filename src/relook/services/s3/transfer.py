"""Bodies between the wire and files: read and written in worker threads, never held whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio
from anyio import to_thread

from relook.aws.body import IncomingBody, OutgoingBody
from relook.aws.errors import ServiceError
from relook.blobs.files import Staged
from relook.blobs.reader import ObjectReader
from relook.blobs.records import StoredFile
from relook.services.s3.conditions import Span
from relook.services.s3.errors import entity_too_large

T = TypeVar("T")
PIECE = 1 << 20
"""Bytes handed over at once."""
LARGEST_PUT = 5 * 1024**3
"""Bytes of one PutObject, part or copy."""


async def store_body(
    body: IncomingBody | None, stage: Callable[[], Staged], keep: Callable[[StoredFile], T], limit: int = LARGEST_PUT
) -> T:
    """Write a body to a file and `keep` it once its end was reached and found right; else nothing of it stays.

    ServiceError EntityTooLarge, MissingContentLength, and whatever the body itself raises.
    """
    if body is not None and body.content_length is None:
        raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    if body is not None and (body.content_length or 0) > limit:
        raise entity_too_large(body.content_length or 0, limit)
    staged = await to_thread.run_sync(stage)
    try:
        rest = await _drain(body, staged) if body is not None else b""
        return await to_thread.run_sync(_finish, staged, rest, keep)
    except BaseException:
        # Shielded: a client that went away must not leave its half of a file.
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(staged.discard)
        raise


async def _drain(body: IncomingBody, staged: Staged) -> bytes:
    """Write all but the last piece, which is returned: it shares a thread's turn with the flush."""
    pending = bytearray()
    async for chunk in body:
        pending += chunk
        if len(pending) >= PIECE:
            await to_thread.run_sync(staged.write, bytes(pending))
            pending.clear()
    return bytes(pending)


def _finish(staged: Staged, rest: bytes, keep: Callable[[StoredFile], T]) -> T:
    staged.write(rest)
    return keep(staged.finish())


def send(reader: ObjectReader, span: Span) -> OutgoingBody:
    """A span of an object as a response body; closes the reader when done. Blocks: small ones are read at once."""
    reader.seek(span.first)
    if span.length <= PIECE:
        with reader:
            return OutgoingBody(span.length, _once(reader.read_exactly(span.length)))
    return OutgoingBody(span.length, _pieces(reader, span.length))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


async def _pieces(reader: ObjectReader, rest: int) -> AsyncIterator[bytes]:
    try:
        while rest > 0:
            data = await to_thread.run_sync(reader.read_exactly, min(PIECE, rest))
            rest -= len(data)
            yield data
    finally:
        reader.close()
