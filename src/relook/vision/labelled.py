"""What classifiers and object detectors are taught with and what they answer: images with labels of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from relook.vision.samples import Progress

SCORE_DECIMALS = 5
"""Scores are told rounded to so many, and so they are held against thresholds: what is told decides."""


def as_told(score: float) -> float:
    """The score as users see it, but for the percentage."""
    return round(score, SCORE_DECIMALS)


class LabelTask(StrEnum):
    """What is learned. The values stand in artifacts, beside those of `samples.Task`."""

    SINGLE_LABEL = "single-label"
    """Each image has exactly one label; scores are shares of 1."""
    MULTI_LABEL = "multi-label"
    """Each image has any number of labels; scores are independent."""
    DETECTION = "detection"
    """Labels have boxes."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels of the upright image (EXIF orientation applied), origin at the top left; fractions are allowed."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class LabelledBox:
    label: str
    box: Rectangle


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image of a set. `key` (its source-ref) names it in messages, in results and in the data hash.

    `labels` for the two kinds of classification, without repetition; `boxes` for detection, none of them degenerate.
    """

    key: str
    load: Callable[[], bytes]
    labels: tuple[str, ...] = ()
    boxes: tuple[LabelledBox, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundLabel:
    """A label found in an image: `score` and its label's `threshold` in 0..1; `box` for a detector's."""

    name: str
    score: float
    threshold: float
    box: Rectangle | None = None


@dataclass(frozen=True, slots=True)
class LabelPrediction:
    """The answer for one image, highest score first.

    A classifier's holds every label of the model. A detector's holds what non-maximum suppression left, down to a
    score low enough to choose a threshold from. `width` and `height` are the upright image's.
    """

    width: int
    height: int
    found: tuple[FoundLabel, ...]


@dataclass(frozen=True, slots=True)
class LabelTest:
    """A test image and what the model as exported says of it."""

    image: LabelledImage
    prediction: LabelPrediction


@dataclass(frozen=True, slots=True)
class LabelResult:
    """What a training leaves behind beside the artifact in `artifact`.

    `thresholds` holds for every label the score (0..1) that gives its best F1 on the test images: the assumed
    threshold. `tests` are in the order of the test images given. `record` is the extra report, as JSON: average
    precision, curves, confusion, intervals, how the model was chosen.
    """

    artifact: Path
    thresholds: Mapping[str, float]
    tests: tuple[LabelTest, ...]
    notes: Sequence[str] = field(default=())
    """Plain sentences for the user: the start taken, duplicates and leakage, too few images, why the candidate won.
    Those that make the model or its figures doubtful are in the record's `warnings`, too."""
    record: Mapping[str, Any] = field(default_factory=dict)


class LabelTrainer(Protocol):
    """`classify.train` and `detect.train` with their starts chosen.

    `labels` are all names that the model shall know, in the order of its outputs. Trains on `training`, keeping a part
    of it for choosing; `test` is only evaluated on. Takes about `seconds` at most, evaluation included. The same
    images, labels, seed and candidates tried give the same artifact. `progress(stage, done, of)` may raise to cancel.
    Raises `samples.TrainingError` and `samples.ImageError`, whose messages reach the user.
    """

    def __call__(
        self,
        training: Sequence[LabelledImage],
        test: Sequence[LabelledImage],
        *,
        task: LabelTask,
        labels: Sequence[str],
        output: Path,
        seed: int,
        seconds: float,
        progress: Progress,
    ) -> LabelResult: ...
