"""What DetectCustomLabels says of a prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.vision.label_answer import custom_labels
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle

unit = st.floats(0, 1)
predictions = st.builds(
    LabelPrediction,
    st.integers(64, 4096),
    st.integers(64, 4096),
    st.lists(st.builds(FoundLabel, st.text(max_size=3), unit, unit), max_size=8).map(tuple),
)


def prediction(*found: tuple[str, float, float]) -> LabelPrediction:
    return LabelPrediction(640, 480, tuple(FoundLabel(*one) for one in found))


def told(*given: Any, **more: Any) -> list[tuple[str, float]]:
    return [(one["Name"], round(one["Confidence"], 3)) for one in custom_labels(*given, **more)]


MIXED = prediction(("sure", 0.9, 0.95), ("likely", 0.6, 0.5), ("faint", 0.2, 0.1), ("none", 0.0, 0.0001))


def test_without_a_minimum_each_label_has_its_own_threshold() -> None:
    assert told(MIXED) == [("likely", 60.0), ("faint", 20.0)]


@pytest.mark.parametrize(
    ("minimum", "names"),
    [
        (0, ["sure", "likely", "faint", "none"]),
        (20, ["sure", "likely", "faint"]),
        (20.001, ["sure", "likely"]),
        (90, ["sure"]),
        (100, []),
    ],
)
def test_a_minimum_takes_the_thresholds_place(minimum: float, names: list[str]) -> None:
    assert [name for name, _ in told(MIXED, minimum)] == names


@pytest.mark.parametrize("most", [0, 1, 2, 99])
def test_the_most_results_are_the_first_ones(most: int) -> None:
    assert told(MIXED, 0, most) == told(MIXED, 0)[:most]


def test_nothing_found_is_an_empty_list() -> None:
    assert custom_labels(prediction()) == []
    assert custom_labels(MIXED, 99.9) == []


def test_numbers_are_rounded_and_then_cut_to_32_bits() -> None:
    """As the original was seen to answer: 94.60199737548828 for 94.602, 0.05948999896645546 for 0.05949."""
    box = Rectangle(16.0, 240.0, 0.059_492 * 640, 48.0)
    [found] = custom_labels(LabelPrediction(640, 480, (FoundLabel("a", 0.946_018, 0.5, box),)))
    assert found["Confidence"] == 94.60199737548828
    assert found["Geometry"] == {
        "BoundingBox": {
            "Width": 0.05948999896645546,
            "Height": float(np.float32(0.1)),
            "Left": float(np.float32(0.025)),
            "Top": 0.5,
        }
    }


def test_a_label_of_the_whole_image_has_no_geometry() -> None:
    [found] = custom_labels(prediction(("a", 0.75, 0.5)))
    assert found == {"Name": "a", "Confidence": 75.0}


def test_boxes_of_one_name_stand_each_for_themselves() -> None:
    boxes = (Rectangle(0, 0, 10, 10), Rectangle(20, 20, 10, 10))
    answer = custom_labels(LabelPrediction(100, 100, tuple(FoundLabel("a", 0.9, 0.5, box) for box in boxes)))
    assert [one["Geometry"]["BoundingBox"]["Left"] for one in answer] == [0.0, float(np.float32(0.2))]


@given(predictions, st.none() | st.floats(0, 100), st.none() | st.integers(0, 9))
def test_the_surest_come_first_and_none_is_below_the_minimum(
    found: LabelPrediction, minimum: float | None, most: int | None
) -> None:
    answer = custom_labels(found, minimum, most)
    confidences = [one["Confidence"] for one in answer]
    assert confidences == sorted(confidences, reverse=True)
    assert len(answer) <= (len(found.found) if most is None else most)
    assert all(0 <= confidence <= 100 for confidence in confidences)
    if minimum is not None:
        assert all(confidence >= float(np.float32(minimum)) for confidence in confidences)


@given(predictions)
def test_a_confidence_that_was_told_is_not_below_itself(found: LabelPrediction) -> None:
    for one in custom_labels(found, 0):
        assert one in custom_labels(found, one["Confidence"])


@given(predictions)
def test_zero_leaves_nothing_out(found: LabelPrediction) -> None:
    assert len(custom_labels(found, 0)) == len(found.found)
