"""What training is given: images with labels, as lazily loaded bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeVar

_Entry = TypeVar("_Entry")


class Task(StrEnum):
    CLASSIFICATION = "classification"
    SEGMENTATION = "segmentation"


class TrainingError(Exception):
    """The data cannot be trained on; the message names the image or the rule and reaches the user as it is."""


class ImageFault(StrEnum):
    """The rule that an image breaks, for those who answer with a code for each."""

    UNREADABLE = "unreadable"
    """No JPEG or PNG, or a truncated or damaged one."""
    TOO_LARGE = "too-large"
    """Of too many bytes, or a side of too many pixels."""
    SHAPE = "shape"
    """Too small, or too long for its width."""


class ImageError(Exception):
    """Bytes that are no usable image; the message says what is wrong and what is accepted."""

    fault: ClassVar[ImageFault] = ImageFault.UNREADABLE


class ImageTooLargeError(ImageError):
    """Of too many bytes, or a side of too many pixels."""

    fault = ImageFault.TOO_LARGE


class ImageShapeError(ImageError):
    """Too small, or too long for its width."""

    fault = ImageFault.SHAPE


@dataclass(frozen=True, slots=True)
class DefectClass:
    """A kind of defect: its name and its `#RRGGBB` (upper case) colour in masks."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class MaskSource:
    """An encoded PNG mask and what its colours mean.

    `colours` maps upper-case `#RRGGBB` to the class name; colours of the background are not in it, and those that it
    has beside white are `background`.
    """

    load: Callable[[], bytes]
    colours: Mapping[str, str]
    background: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image. `key` (its source-ref) names it in messages, in results and in the data hash."""

    key: str
    load: Callable[[], bytes]
    anomalous: bool
    mask: MaskSource | None = None


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Pixel metrics of one defect class over the test images, each in 0..1; None where the class is neither drawn nor
    told on any, and where no test image has a mask."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    average_iou: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Image metrics over the test images; the positive class is "anomaly"; each in 0..1.

    The first three are None where no test image is anomalous, `roc_auc` and `average_precision` where these hold one
    class only.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None
    classes: tuple[ClassMetrics, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """A class present in a predicted mask. `area` is the fraction of the image's pixels, 0..1."""

    name: str
    colour: str
    area: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one image.

    `score` and `threshold` in 0..1; `anomalous` is round(score, 4) >= round(threshold, 4); `confidence` is the score
    if anomalous, else 1 - score. `regions` is empty for a classification model; for segmentation its first entry is
    the background ("background", "#FFFFFF"), then the classes present by ascending class index, and `mask_png` is an
    8-bit RGB PNG of the input's width and height.
    """

    score: float
    threshold: float
    anomalous: bool
    confidence: float
    width: int
    height: int
    regions: tuple[Region, ...] = ()
    mask_png: bytes | None = None


@dataclass(frozen=True, slots=True)
class TestResult:
    """`hottest` is where the image is farthest from normal: (x, y) in 0..1 of its width and height. `on_mask` says
    whether that lies on the image's mask, or not more than a cell beside it; None where the image has no defect drawn.
    """

    key: str
    anomalous: bool
    prediction: Prediction
    hottest: tuple[float, float]
    on_mask: bool | None = None

    @property
    def right(self) -> bool:
        return self.prediction.anomalous == self.anomalous


@dataclass(frozen=True, slots=True)
class Shown:
    """A test image for people to look at: `picture` is a small JPEG of it, `heat` the same with its heat map over it,
    from yellow to red where it is far from normal."""

    result: TestResult
    picture: bytes
    heat: bytes


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training leaves behind beside the artifact in `artifact`."""

    artifact: Path
    metrics: Metrics
    tests: tuple[TestResult, ...]
    training_images: int
    testing_images: int
    notes: Sequence[str] = field(default=())
    """Plain sentences for the user: weights used, mixed image sizes, why the candidate won, warnings."""
    intervals: Mapping[str, Any] = field(default_factory=dict)
    """How sure the metrics are, as JSON: see `training_report.as_record`."""
    shown: Sequence[Shown] = field(default=())
    """The test images that tell most about the model: see `gallery.Gallery`."""


Progress = Callable[[str, int, int], None]
"""Called with a stage name, steps done and steps in all, often enough to draw a bar; may raise to cancel."""


def counted(progress: Progress, stage: str, total: int) -> Callable[[], None]:
    """What is called after each of `total` steps, and tells `progress`."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return step


def stepping(entries: Iterable[_Entry], step: Callable[[], None]) -> Iterator[_Entry]:
    """`entries`, and `step` called after each was used."""
    for entry in entries:
        yield entry
        step()
