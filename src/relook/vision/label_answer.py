"""What DetectCustomLabels says of a prediction, wherever it is served."""

from __future__ import annotations

from dataclasses import replace
from struct import Struct
from typing import Any

from relook.vision.labelled import SCORE_DECIMALS, FoundLabel, LabelPrediction, Rectangle, as_told

_STEP = 10**-SCORE_DECIMALS
_FLOAT = Struct("f")


def custom_labels(
    prediction: LabelPrediction, min_confidence: float | None = None, max_results: int | None = None
) -> list[dict[str, Any]]:
    """The members of CustomLabels, highest confidence first: one for each label of a classifier, for each box of a
    detector.

    Without `min_confidence` a label is told of from its own threshold on; with it (0..100) from there on, whatever
    the thresholds are. Then all but the first `max_results` are left out; 0 leaves none. Confidences are percentages,
    boxes shares of the upright image. Both are those of scores rounded to 5 decimals, as 32-bit floats, which is also
    how they are compared: a confidence that was told is not below itself.
    """
    found = sorted(told(prediction, min_confidence).found, key=lambda one: -as_told(one.score))
    return [_entry(one, prediction) for one in found[:max_results]]


def told(prediction: LabelPrediction, min_confidence: float | None = None) -> LabelPrediction:
    """The prediction with nothing found but what `custom_labels` tells of."""
    least = None if min_confidence is None else _single(min_confidence)
    return replace(prediction, found=tuple(one for one in prediction.found if _told(one, least)))


def _told(one: FoundLabel, least: float | None) -> bool:
    """What lies a step below cannot be rounded up to the limit; a detector finds a hundred such boxes in a picture."""
    if least is None:
        near = one.score >= one.threshold - _STEP
        return near and as_told(one.score) >= as_told(one.threshold)
    return 100 * one.score >= least - 200 * _STEP and _confidence(one) >= least


def _entry(one: FoundLabel, prediction: LabelPrediction) -> dict[str, Any]:
    entry: dict[str, Any] = {"Name": one.name, "Confidence": _confidence(one)}
    if one.box is not None:
        entry["Geometry"] = {"BoundingBox": _bounding_box(one.box, prediction)}
    return entry


def _confidence(one: FoundLabel) -> float:
    return _single(100 * as_told(one.score))


def _bounding_box(box: Rectangle, image: LabelPrediction) -> dict[str, float]:
    return {
        "Width": _share(box.width, image.width),
        "Height": _share(box.height, image.height),
        "Left": _share(box.left, image.width),
        "Top": _share(box.top, image.height),
    }


def _share(length: float, whole: int) -> float:
    return _single(round(length / whole, SCORE_DECIMALS))


def _single(value: float) -> float:
    """The 32-bit float next to it, as a double."""
    nearest: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    return nearest
