"""How far the figures would move with other images: percentile bootstrap (Efron), images drawn label by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.metrics import auroc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

LEVEL = 0.95
RESAMPLINGS = 1000
_CHUNK = 100
"""Resamplings held in memory at once: of 16,000 images some 50 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where 95 of 100 resamplings lie, all in 0..1."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Intervals:
    """Of one set of images, `normals` and `anomalies` of them, `errors` of them judged wrong.

    `average_iou` has one entry for each defect class, None for one that is on no image; it is empty without masks.
    """

    normals: int
    anomalies: int
    errors: int
    roc_auc: Interval
    f1: Interval
    precision: Interval
    recall: Interval
    average_iou: tuple[Interval | None, ...] = ()

    @property
    def images(self) -> int:
        return self.normals + self.anomalies


def of_images(
    scores: Floats, said: Flags, anomalous: Flags, seed: int, overlaps: Sequence[Sequence[float]] = ()
) -> Intervals | None:
    """From each image's score, decision and truth (n,); None when one label is missing: there is no AUROC then.

    `overlaps` are, for each class, the IoU on each image that has it in truth or prediction. Deterministic for a seed.
    """
    area = auroc(scores, anomalous)
    if area is None:
        return None
    rng = np.random.default_rng([seed, 30])
    drawn = [_resampled(rng, scores, said, anomalous) for _ in range(RESAMPLINGS // _CHUNK)]
    areas, hits, false = (np.concatenate(part) for part in zip(*drawn, strict=True))
    true = int(anomalous.sum())
    right, wrong = int((said & anomalous).sum()), int((said & ~anomalous).sum())
    return Intervals(
        normals=len(scores) - true,
        anomalies=true,
        errors=true - right + wrong,
        roc_auc=_interval(area, areas),
        f1=_interval(2 * right / (right + wrong + true), 2 * hits / (hits + false + true)),
        precision=_interval(right / max(1, right + wrong), hits / np.maximum(1, hits + false)),
        recall=_interval(right / true, hits / true),
        average_iou=tuple(_of_mean(np.array(each), rng) for each in overlaps),
    )


def _resampled(
    rng: np.random.Generator, scores: Floats, said: Flags, anomalous: Flags
) -> tuple[Floats, Counts, Counts]:
    """AUROC, hits and false alarms of _CHUNK resamplings, each (_CHUNK,): how often each image is drawn is enough."""
    bad, good = (_draws(rng, int(label.sum())) for label in (anomalous, ~anomalous))
    _, places = np.unique(scores, return_inverse=True)
    areas = _areas(bad, good, places[anomalous], places[~anomalous])
    return areas, bad @ said[anomalous], good @ said[~anomalous]


def _draws(rng: np.random.Generator, images: int) -> Counts:
    """(_CHUNK, images): how often each image is drawn when as many are drawn with replacement."""
    return rng.multinomial(images, np.full(images, 1 / images), size=_CHUNK)


def _areas(bad: Counts, good: Counts, bad_places: Counts, good_places: Counts) -> Floats:
    """AUROC of each row; `places` are ranks among all distinct scores, so that ties count a half."""
    order = np.argsort(good_places, kind="stable")
    below = np.concatenate([np.zeros((len(good), 1), np.int64), good[:, order].cumsum(1)], axis=1)
    sorted_places = good_places[order]
    lower = below[:, np.searchsorted(sorted_places, bad_places, "left")]
    upper = below[:, np.searchsorted(sorted_places, bad_places, "right")]
    areas: Floats = (bad * (lower + upper)).sum(1) / 2 / (bad.shape[1] * good.shape[1])
    return areas


def _of_mean(values: Floats, rng: np.random.Generator) -> Interval | None:
    if not len(values):
        return None
    means = np.concatenate([_draws(rng, len(values)) @ values for _ in range(RESAMPLINGS // _CHUNK)]) / len(values)
    return _interval(float(values.mean()), means)


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.quantile(resampled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(value, float(low), float(high))
