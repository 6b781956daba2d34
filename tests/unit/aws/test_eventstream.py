from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from relook.aws.errors import ServiceError
from relook.aws.models import botocore_model
from relook.aws.protocol import serialise
from relook.aws.protocol.eventstream import message

_STREAM = botocore_model("sagemaker-runtime").operation_model("InvokeEndpointWithResponseStream")


def read(*parts: bytes, error: Exception | None = None) -> list[Any]:
    """What botocore's own reader, which checks every CRC, finds in an answer."""
    ended: list[bool] = []

    async def events() -> AsyncIterator[Mapping[str, Any]]:
        try:
            for part in parts:
                yield {"PayloadPart": {"Bytes": part}}
            if error is not None:
                raise error
        finally:
            ended.append(True)

    async def collect() -> bytes:
        response = serialise(_STREAM, {"Body": events(), "ContentType": "text/csv"})
        assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
        assert response.headers["x-amzn-sagemaker-content-type"] == "text/csv"
        assert not isinstance(response.body, bytes)
        assert response.body.content_length is None
        return b"".join([piece async for piece in response.body.chunks])

    buffer = EventStreamBuffer()
    buffer.add_data(asyncio.run(collect()))
    assert ended == [True]
    return list(buffer)


def test_parts_become_events_that_botocore_reads() -> None:
    found = read(b"one", b"two")
    assert [each.payload for each in found] == [b"one", b"two"]
    assert found[0].headers == {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }


def test_a_long_part_is_split() -> None:
    found = read(b"x" * 200_000)
    assert max(len(each.payload) for each in found) <= 65536
    assert b"".join(each.payload for each in found) == b"x" * 200_000


def test_a_modelled_failure_is_the_last_message() -> None:
    *_, last = read(b"one", error=ServiceError("ModelStreamError", "it broke", members={"ErrorCode": "StreamBroken"}))
    assert last.headers[":exception-type"] == "ModelStreamError"
    assert last.payload == b'{"Message":"it broke","ErrorCode":"StreamBroken"}'


def test_another_failure_is_an_error_message() -> None:
    (last,) = read(error=ServiceError("Strange", "what now"))
    assert (last.headers[":message-type"], last.headers[":error-code"]) == ("error", "Strange")


def test_what_nobody_foresaw_breaks_the_stream() -> None:
    with pytest.raises(ZeroDivisionError):
        read(b"one", error=ZeroDivisionError())


def test_a_message_without_headers_and_payload_is_16_bytes() -> None:
    assert len(message({}, b"")) == 16
