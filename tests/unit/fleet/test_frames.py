from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.fleet.frames import (
    HEADER,
    LONGEST,
    FrameError,
    FrameKind,
    FrameStart,
    encode,
    join_prediction,
    parse_head,
    parse_start,
    split_prediction,
)
from relook.vision.samples import Prediction, Region

unit = st.floats(0, 1)
regions = st.lists(st.builds(Region, name=st.text(max_size=20), colour=st.text(max_size=7), area=unit), max_size=4)
predictions = st.builds(
    Prediction,
    score=unit,
    threshold=unit,
    anomalous=st.booleans(),
    confidence=unit,
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
    regions=regions.map(tuple),
    mask_png=st.none() | st.binary(max_size=100),
)


@given(predictions, st.integers(0, 2**64 - 1))
def test_a_prediction_survives_the_wire_exactly(prediction: Prediction, request: int) -> None:
    head, body = split_prediction(prediction)
    wire = encode(FrameKind.PREDICTION, request, head, len(body)) + body
    start = parse_start(wire[: HEADER.size])
    assert (start.kind, start.request) == (FrameKind.PREDICTION, request)
    rest = memoryview(wire)[HEADER.size :]
    assert len(rest) == start.head + start.body
    assert join_prediction(parse_head(rest[: start.head]), bytes(rest[start.head :])) == prediction


@given(st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_any_header_is_parsed_or_refused(header: bytes) -> None:
    kind, request, head, body = HEADER.unpack(header)
    if 1 <= kind <= 5 and max(head, body) <= LONGEST:
        assert parse_start(header) == FrameStart(FrameKind(kind), request, head, body)
    else:
        with pytest.raises(FrameError, match="not a frame"):
            parse_start(header)


@pytest.mark.parametrize("head", [b"{", b"[]", b"\xff", b"1"])
def test_a_head_has_to_be_a_json_object(head: bytes) -> None:
    with pytest.raises(FrameError):
        parse_head(head)


def test_no_head_is_an_empty_one() -> None:
    assert parse_head(b"") == {}
    assert encode(FrameKind.PREDICT, 1, None, 5) == HEADER.pack(2, 1, 0, 5)


def test_a_prediction_that_lacks_a_member_is_refused() -> None:
    head, body = split_prediction(Prediction(0.1, 0.2, False, 0.9, 1, 1))
    for name in head:
        with pytest.raises(FrameError, match="lacks a member"):
            join_prediction({key: value for key, value in head.items() if key != name}, body)


def test_numbers_of_numpy_become_plain_ones() -> None:
    strange = Prediction(np.float32(0.5), np.float64(0.25), np.bool_(True), np.float32(0.5), 1, 1)  # type: ignore[arg-type]
    head, body = split_prediction(strange)
    assert join_prediction(json.loads(json.dumps(head)), body) == Prediction(0.5, 0.25, True, 0.5, 1, 1)
