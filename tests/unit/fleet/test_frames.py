from __future__ import annotations

import json
import math

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
    join_labels,
    join_prediction,
    parse_fault,
    parse_head,
    parse_min_confidence,
    parse_start,
    split_labels,
    split_prediction,
)
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.samples import ImageFault, Prediction, Region

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
boxes = st.builds(Rectangle, *[st.floats(-1e4, 1e4)] * 4)
found_labels = st.builds(FoundLabel, st.text(max_size=20), unit, unit, st.none() | boxes)
label_predictions = st.builds(
    LabelPrediction, st.integers(1, 4096), st.integers(1, 4096), st.lists(found_labels, max_size=4).map(tuple)
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


@given(label_predictions)
def test_labels_survive_the_wire_exactly(prediction: LabelPrediction) -> None:
    head, body = split_labels(prediction)
    wire = encode(FrameKind.LABELS, 7, head, len(body)) + body
    start = parse_start(wire[: HEADER.size])
    assert (start.kind, start.request) == (FrameKind.LABELS, 7)
    rest = wire[HEADER.size :]
    assert len(rest) == start.head + start.body
    assert join_labels(parse_head(rest[: start.head]), rest[start.head :]) == prediction


@given(st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_any_header_is_parsed_or_refused(header: bytes) -> None:
    kind, request, head, body = HEADER.unpack(header)
    if 1 <= kind <= 6 and max(head, body) <= LONGEST:
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


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ({"width": 1, "height": 1}, [[0.0] * 7]),
        ({"width": 1, "names": ["a"]}, [[0.0] * 7]),
        ({"width": 1, "height": 1, "names": ["a"]}, [[0.0] * 6]),
        ({"width": 1, "height": 1, "names": ["a"]}, [[1.0, 0.5, 0.5, 0, 0, 1, 1]]),
        ({"width": 1, "height": 1, "names": ["a"]}, [[math.nan, 0.5, 0.5, 0, 0, 1, 1]]),
        ({"width": 1, "height": 1, "names": 1}, [[0.0] * 7]),
    ],
    ids=["no names", "no height", "a short row", "no such name", "no name", "names that are none"],
)
def test_labels_that_lack_a_member_are_refused(head: dict[str, object], rows: list[list[float]]) -> None:
    with pytest.raises(FrameError, match="lacks a member"):
        join_labels(head, np.array(rows, np.float64).tobytes())


@pytest.mark.parametrize("fault", ImageFault)
def test_a_fault_is_told_by_its_value(fault: ImageFault) -> None:
    assert parse_fault(json.loads(json.dumps({"fault": fault.value}))) is fault


@pytest.mark.parametrize("head", [{}, {"fault": "ugly"}])
def test_a_fault_that_is_not_known_is_nonsense(head: dict[str, object]) -> None:
    with pytest.raises(FrameError, match="fault"):
        parse_fault(head)


def test_a_least_confidence_is_a_number_or_left_out() -> None:
    assert parse_min_confidence({}) is None
    assert parse_min_confidence({"min_confidence": 12.5}) == 12.5
    with pytest.raises(FrameError, match="no number: 'high'"):
        parse_min_confidence({"min_confidence": "high"})


def test_labels_of_numpy_become_plain_ones() -> None:
    box = Rectangle(*np.array([1, 2.5, 3, 4], np.float32))
    strange = LabelPrediction(9, 8, (FoundLabel("a", np.float32(0.5), np.float64(0.25), box),))  # type: ignore[arg-type]
    plain = LabelPrediction(9, 8, (FoundLabel("a", 0.5, 0.25, Rectangle(1, 2.5, 3, 4)),))
    head, body = split_labels(strange)
    assert join_labels(json.loads(json.dumps(head)), body) == plain


def test_numbers_of_numpy_become_plain_ones() -> None:
    strange = Prediction(np.float32(0.5), np.float64(0.25), np.bool_(True), np.float32(0.5), 1, 1)  # type: ignore[arg-type]
    head, body = split_prediction(strange)
    assert join_prediction(json.loads(json.dumps(head)), body) == Prediction(0.5, 0.25, True, 0.5, 1, 1)
