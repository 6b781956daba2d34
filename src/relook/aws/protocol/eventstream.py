"""Answers in application/vnd.amazon.eventstream: framed messages with headers and two CRCs each."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from relook.aws.errors import ServiceError
from relook.aws.protocol import jsonbody

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_FRAME = 64 * 1024
"""Bytes of payload in one message: readers hold a whole message in memory."""


async def encode(shape: Any, events: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """The messages of a stream whose members are events, each given as `{member: its members}`.

    A blob payload is split over several messages where it is long. A ServiceError that `events` raises becomes the
    stream's last message: an exception where the model has one of its code, else an error.
    """
    try:
        async for event in events:
            ((name, members),) = event.items()
            for message in _event(shape.members[name], name, members):
                yield message
    except ServiceError as error:
        yield _failure(shape, error)
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths, their CRC, headers, payload, the CRC of it all."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    begun = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return begun + struct.pack("!I", zlib.crc32(begun))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text


def _event(shape: Any, name: str, members: Mapping[str, Any]) -> list[bytes]:
    headers = {":message-type": "event", ":event-type": name}
    payload = next((key for key, each in shape.members.items() if each.serialization.get("eventpayload")), None)
    if payload is None or shape.members[payload].type_name != "blob":
        body = jsonbody.dumps(jsonbody.write(shape, members))
        return [message({**headers, ":content-type": "application/json"}, body)]
    headers[":content-type"] = "application/octet-stream"
    data = members[payload]
    return [message(headers, data[at : at + _FRAME]) for at in range(0, len(data), _FRAME)]


def _failure(shape: Any, error: ServiceError) -> bytes:
    if error.code not in shape.members:
        return message({":message-type": "error", ":error-code": error.code, ":error-message": error.message}, b"")
    headers = {":message-type": "exception", ":exception-type": error.code, ":content-type": "application/json"}
    return message(headers, jsonbody.dumps({"Message": error.message, **error.members}))
