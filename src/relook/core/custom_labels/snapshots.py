"""The ground-truth files: every image used, its labels as they were understood, and what the model says of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from relook.core.custom_labels.results import moment

_TRAINING, _EVALUATION = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
_TRAINING_JOB, _EVALUATION_JOB = f"{_TRAINING}-job", f"{_EVALUATION}-job"
_CLASSIFICATION, _DETECTION = "groundtruth/image-classification", "groundtruth/object-detection"
_DIGITS = 5
"""Confidences are rounded to so many decimals, as those of DetectCustomLabels."""


class Box(Protocol):
    """Pixels of the upright image, origin at the top left."""

    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...


class TruthBox(Protocol):
    """A labelled box."""

    @property
    def label(self) -> str: ...
    @property
    def box(self) -> Box: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """One label, or one box, of a test image: `predicted` at its threshold, `present` in the ground truth.

    `score` is 0..1, and 0 where a detector found nothing at all in the place of an annotated box.
    """

    label: str
    score: float
    predicted: bool
    present: bool
    box: Box | None = None

    @property
    def true_negative(self) -> bool:
        return not self.predicted and not self.present


@dataclass(frozen=True, slots=True)
class UsedImage:
    """An image that was trained on or tested with.

    `line` is the 0-based index of its line in the manifest. `boxes` is None for a classifier's image. `width` and
    `height` are those of the upright image.
    """

    source_ref: str
    line: int
    width: int
    height: int
    labels: Sequence[str] = ()
    boxes: Sequence[TruthBox] | None = None


def snapshot(
    images: Iterable[UsedImage], labels: Sequence[str], ended: int, judged: Sequence[Sequence[Verdict]] | None = None
) -> bytes:
    """The file's JSON Lines. `labels` are the model's, in order; `judged` has one list for each test image."""
    lines = []
    for number, image in enumerate(images):
        line: dict[str, Any] = {
            "source-ref": image.source_ref,
            "rekognition-custom-labels-object-id": number + 1,
            "line-idx": image.line,
            **_truth(image, labels, moment(ended)),
        }
        if judged is not None:
            line |= _evaluation(image, labels, judged[number], moment(ended))
        lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def _truth(image: UsedImage, labels: Sequence[str], date: str) -> dict[str, Any]:
    about = {"human-annotated": "yes", "creation-date": date}
    if image.boxes is not None:
        found = [(one.label, one.box, {"confidence": 1.0}) for one in image.boxes]
        return _boxes(f"{_TRAINING}-0", image, found, labels, {"job-name": _TRAINING_JOB, **about})
    attributes: dict[str, Any] = {}
    for index, label in enumerate(image.labels):
        attributes[f"{_TRAINING}-{index}"] = 1
        attributes[f"{_TRAINING}-{index}-metadata"] = {
            "confidence": 1.0,
            "job-name": _TRAINING_JOB,
            "class-name": label,
            **about,
            "type": _CLASSIFICATION,
        }
    return attributes


def _evaluation(image: UsedImage, labels: Sequence[str], verdicts: Sequence[Verdict], date: str) -> dict[str, Any]:
    about = {"human-annotated": "no", "creation-date": date}
    if image.boxes is not None:
        found = [(one.label, one.box, _judged(one)) for one in verdicts if one.box is not None]
        confidence = max((one.score for one in verdicts), default=0.0)
        header = {"confidence": round(confidence, _DIGITS), "job-name": _EVALUATION_JOB, **about}
        return _boxes(_EVALUATION, image, found, labels, header)
    attributes: dict[str, Any] = {}
    place = {label: index for index, label in enumerate(labels)}
    for one in _told(verdicts):
        judged = _judged(one)
        # The number is the label's place among the model's labels: readers of these files count on it.
        name = f"{_EVALUATION}-{place[one.label]}"
        attributes[name] = 1
        attributes[f"{name}-metadata"] = {
            "confidence": judged["confidence"],
            "job-name": _EVALUATION_JOB,
            "class-name": one.label,
            **about,
            "type": _CLASSIFICATION,
            _DETAILS: judged[_DETAILS],
        }
    return attributes


def _told(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """What was predicted or missed, and the surest label in any case."""
    surest = max(verdicts, key=lambda one: one.score, default=None)
    return [one for one in verdicts if not one.true_negative or one is surest]


_DETAILS = "rekognition-custom-labels-evaluation-details"


def _judged(one: Verdict) -> dict[str, Any]:
    details = {
        "version": 1,
        "ground-truth-labelling-jobs": [_TRAINING_JOB],
        "is-true-positive": one.predicted and one.present,
        "is-true-negative": one.true_negative,
        "is-false-positive": one.predicted and not one.present,
        "is-false-negative": one.present and not one.predicted,
        "is-present-in-ground-truth": one.present,
    }
    return {"confidence": round(one.score, _DIGITS), _DETAILS: details}


def _boxes(
    name: str,
    image: UsedImage,
    found: Sequence[tuple[str, Box | None, Mapping[str, Any]]],
    labels: Sequence[str],
    header: Mapping[str, Any],
) -> dict[str, Any]:
    """An attribute with boxes and its metadata; the class map names the labels that occur."""
    place = {label: index for index, label in enumerate(labels)}
    annotations = [
        {
            "class_id": place[label],
            "left": _pixels(box.left),
            "top": _pixels(box.top),
            "width": _pixels(box.width),
            "height": _pixels(box.height),
        }
        for label, box, _ in found
        if box is not None
    ]
    size = {"width": image.width, "height": image.height, "depth": 3}
    used = sorted({place[label] for label, _, _ in found})
    return {
        name: {"annotations": annotations, "image_size": [size]},
        f"{name}-metadata": {
            **header,
            "class-map": {str(index): labels[index] for index in used},
            "objects": [dict(about) for _, _, about in found],
            "type": _DETECTION,
        },
    }


def _pixels(value: float) -> int | float:
    """Whole numbers as they were annotated; what a model measured keeps two decimals."""
    return round(value) if value == round(value) else round(value, 2)
