"""Image and pixel metrics over the test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relook.vision.samples import ClassMetrics, DefectClass, Metrics, TestResult


def auroc(scores: npt.NDArray[np.float64], anomalous: npt.NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve, ties counted as a half; None when one class is missing."""
    positives, negatives = scores[anomalous], scores[~anomalous]
    if not len(positives) or not len(negatives):
        return None
    lower = np.searchsorted(np.sort(negatives), positives, "left")
    upper = np.searchsorted(np.sort(negatives), positives, "right")
    return float((lower + upper).sum() / 2 / (len(positives) * len(negatives)))


def best_f1(scores: npt.NDArray[np.float64], anomalous: npt.NDArray[np.bool_]) -> float:
    """The F1 of the best threshold; 0 without anomalies."""
    if not anomalous.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(anomalous[order])[last_of_ties]
    said = np.arange(1, len(scores) + 1)[last_of_ties]
    return float((2 * hits / (said + anomalous.sum())).max())


def average_precision(scores: npt.NDArray[np.float64], anomalous: npt.NDArray[np.bool_]) -> float | None:
    """Sum of precision times the step in recall over falling thresholds; None when one class is missing."""
    if anomalous.all() or not anomalous.any():
        return None
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(anomalous[order])[last_of_ties]
    taken = np.arange(1, len(scores) + 1)[last_of_ties]
    recall_steps = np.diff(np.append(0, hits)) / anomalous.sum()
    return float((recall_steps * hits / taken).sum())


def image_metrics(tests: Sequence[TestResult], classes: tuple[ClassMetrics, ...] = ()) -> Metrics:
    """Precision, recall and F1 of the decisions, where there are anomalies, and AUROC and average precision of the
    scores, where there are both labels."""
    truth = np.array([test.anomalous for test in tests], bool)
    said = np.array([test.prediction.anomalous for test in tests], bool)
    scores = np.array([test.prediction.score for test in tests], np.float64)
    rates: tuple[float, ...] | tuple[None, None, None] = (None, None, None)
    if truth.any():
        rates = _rates(int((truth & said).sum()), int(said.sum()), int(truth.sum()))
    precision, recall, f1 = rates
    return Metrics(precision, recall, f1, auroc(scores, truth), average_precision(scores, truth), classes)


def _rates(hits: int, said: int, true: int) -> tuple[float, float, float]:
    """Precision, recall, F1; 0 where there is nothing to divide by."""
    return (
        hits / said if said else 0.0,
        hits / true if true else 0.0,
        2 * hits / (said + true) if said + true else 0.0,
    )


class PixelCounts:
    """Adds up pixels per class over images, and keeps none."""

    def __init__(self, classes: Sequence[DefectClass]) -> None:
        self._classes = classes
        self._hits = [0] * len(classes)
        self._said = [0] * len(classes)
        self._true = [0] * len(classes)
        self._ious: list[list[float]] = [[] for _ in classes]

    def add(self, predicted: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> None:
        """Both (height, width) class indices, 0 the background."""
        for at in range(len(self._classes)):
            said, true = predicted == at + 1, truth == at + 1
            hits, union = int((said & true).sum()), int((said | true).sum())
            self._hits[at] += hits
            self._said[at] += int(said.sum())
            self._true[at] += int(true.sum())
            if union:  # an image without the class in truth and prediction says nothing about its overlap
                self._ious[at].append(hits / union)

    def include(self, other: PixelCounts) -> None:
        """What was added to `other`, of the same classes, too."""
        for at in range(len(self._classes)):
            self._hits[at] += other._hits[at]
            self._said[at] += other._said[at]
            self._true[at] += other._true[at]
            self._ious[at] += other._ious[at]

    @property
    def overlaps(self) -> tuple[tuple[float, ...], ...]:
        """For each class, the IoU on each image that has it in truth or prediction."""
        return tuple(tuple(each) for each in self._ious)

    def metrics(self) -> tuple[ClassMetrics, ...]:
        """One entry per class, in the order given."""
        return tuple(self._metrics(at, entry.name) for at, entry in enumerate(self._classes))

    def _metrics(self, at: int, name: str) -> ClassMetrics:
        if not self._ious[at]:
            return ClassMetrics(name, None, None, None, None)
        rates = _rates(self._hits[at], self._said[at], self._true[at])
        return ClassMetrics(name, *rates, float(np.mean(self._ious[at])))
