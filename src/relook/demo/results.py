"""What a run of the demonstration found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relook.demo.pictures import Picture, Plan, Truth

BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class Area:
    """A label the model marked. `share` is the fraction of the picture's pixels, 0..1."""

    name: str
    colour: str
    share: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One unseen picture and what the hosted model said of it. `mask` is a PNG, None for a classification model."""

    picture: Picture
    image: bytes
    anomalous: bool
    confidence: float
    areas: tuple[Area, ...]
    mask: bytes | None
    seconds: float

    @property
    def prediction(self) -> Truth:
        return Truth.ANOMALY if self.anomalous else Truth.NORMAL

    @property
    def correct(self) -> bool:
        return self.prediction is self.picture.truth


def shown(figure: float | None) -> str:
    """Of an evaluation; a dash for what the test pictures do not tell."""
    return "-" if figure is None else f"{figure:.3f}"


def seen_from(picture: Picture, image: bytes, answer: Mapping[str, Any], seconds: float) -> Seen:
    """A DetectAnomalyResult as the API gives it."""
    areas = [
        Area(entry["Name"], entry["PixelAnomaly"]["Color"], entry["PixelAnomaly"]["TotalPercentageArea"])
        for entry in answer.get("Anomalies", ())
        if entry["Name"] != BACKGROUND
    ]
    mask = answer.get("AnomalyMask")
    return Seen(picture, image, answer["IsAnomalous"], answer["Confidence"], tuple(areas), mask, seconds)


@dataclass(frozen=True, slots=True)
class Tally:
    """How predictions and truths met; the positive class is the anomaly."""

    hits: int
    misses: int
    false_alarms: int
    correct_normal: int

    @property
    def precision(self) -> float:
        return _share(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        return _share(self.hits, self.hits + self.misses)

    @property
    def f1(self) -> float:
        return _share(2 * self.hits, 2 * self.hits + self.misses + self.false_alarms)

    @property
    def correct(self) -> int:
        return self.hits + self.correct_normal

    @property
    def total(self) -> int:
        return self.hits + self.misses + self.false_alarms + self.correct_normal


def tally(seen: Sequence[Seen]) -> Tally:
    pairs = [(item.picture.truth, item.prediction) for item in seen]
    return Tally(
        hits=pairs.count((Truth.ANOMALY, Truth.ANOMALY)),
        misses=pairs.count((Truth.ANOMALY, Truth.NORMAL)),
        false_alarms=pairs.count((Truth.NORMAL, Truth.ANOMALY)),
        correct_normal=pairs.count((Truth.NORMAL, Truth.NORMAL)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """Everything the table and the report are made of. `metrics` and `details` are the EvaluationResult's own."""

    plan: Plan
    project: str
    version: str
    endpoint: str
    message: str
    metrics: Mapping[str, Any]
    details: Mapping[str, Any]
    train_seconds: float
    start_seconds: float
    seen: tuple[Seen, ...]
    notes: tuple[str, ...] = ()
    """What the training report says: the weights, the choice made, warnings."""

    @property
    def segmentation(self) -> bool:
        return any(item.mask is not None for item in self.seen)
