"""What a model said of one label over the test images, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.labelled import SCORE_DECIMALS, as_told

Floats = npt.NDArray[np.float64]
Span = tuple[float, float] | None
"""Where an interval begins and ends; None without one."""
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

UNTESTED_THRESHOLD = 0.5
"""For a label that no test image has, or that was never found right: no threshold can be chosen from nothing."""
RESAMPLINGS = 500
LEVEL = 0.95
CURVE_POINTS = 200
_MOST_WEIGHTS = 4_000_000
"""Held at once while resampling: a detector says many things of an image."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of `n` test images and one label: everything said, each with its score as it is told (`labelled.as_told`).

    `scores`, `hits` and `image` are (said,), highest score first: how sure, whether it was right, the position of
    its image. `truths` (n,) says how often the label truly is on each image. In classification every image says
    something once; in detection a hit is a box that overlaps a true one which no surer box has taken.
    """

    scores: Floats
    hits: Flags
    image: Positions
    truths: Positions

    @classmethod
    def ordered(cls, scores: Floats, hits: Flags, image: Positions, truths: Positions) -> Evidence:
        """From entries in any order; equal scores keep theirs."""
        order = np.argsort(-scores, kind="stable")
        return cls(scores[order], hits[order], image[order], truths)

    @property
    def total(self) -> int:
        """How often the label truly is there."""
        return int(self.truths.sum())

    def threshold(self) -> float:
        """The score of the best F1; of equally good ones the middle of the widest gap, which new images suit best.

        With as many decimals as scores have, and more than 0, or everything would be said of every image.
        """
        last = _last_of_ties(self.scores)
        if not self.total or not self.hits.any():
            return UNTESTED_THRESHOLD
        hits, said = np.cumsum(self.hits)[last], np.flatnonzero(last) + 1
        f1 = 2 * hits / (said + self.total)
        kept = self.scores[last]
        f1[kept == 0] = 0.0  # what is told as 0 lies below every threshold
        below = np.append(kept[1:], 0.0)
        gaps = np.where(f1 >= f1.max() - 1e-12, kept - below, -1.0)
        at = int(gaps.argmax())
        middle = float((kept[at] + below[at]) / 2)
        step = 10.0**-SCORE_DECIMALS
        return max(step, as_told(math.ceil(middle / step - 1e-3) * step))

    def rates(self, threshold: float) -> tuple[float, float, float]:
        """Precision, recall and F1 of everything said with at least `threshold`; 0 where nothing can be divided by."""
        said = self.scores >= threshold
        return _rates(int((said & self.hits).sum()), int(said.sum()), self.total)

    def average_precision(self) -> float | None:
        """Area under the precision-recall curve, made falling from the right (VOC 2010); None without a truth."""
        if not self.total:
            return None
        return float(_areas(self.hits[None], np.ones((1, len(self.hits))), _last_of_ties(self.scores), self.total)[0])

    def recall_at_best(self) -> float | None:
        """The recall of everything said at all; None without a truth."""
        return float(self.hits.sum() / self.total) if self.total else None

    def curve(self) -> list[tuple[float, float, float]]:
        """Score, precision and recall at up to CURVE_POINTS thresholds, highest first."""
        last = np.flatnonzero(_last_of_ties(self.scores))
        if len(last) > CURVE_POINTS:
            last = last[np.unique(np.linspace(0, len(last) - 1, CURVE_POINTS).round().astype(np.int64))]
        hits = np.cumsum(self.hits)[last]
        precision, recall = hits / (last + 1), hits / max(1, self.total)
        return [
            (float(score), float(p), float(r)) for score, p, r in zip(self.scores[last], precision, recall, strict=True)
        ]

    def resampled(self, threshold: float, draws: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """F1 at `threshold` and average precision of each resampling, each (resamplings,); NaN where no truth is drawn.

        `draws` (resamplings, n) says how often each image is drawn.
        """
        rows = max(1, _MOST_WEIGHTS // max(1, len(self.scores)))
        parts = [self._resampled(threshold, draws[at : at + rows]) for at in range(0, len(draws), rows)]
        return np.concatenate([f1 for f1, _ in parts]), np.concatenate([areas for _, areas in parts])

    def _resampled(self, threshold: float, draws: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        weights = draws[:, self.image].astype(np.float64)
        totals = (draws @ self.truths).astype(np.float64)
        totals[totals == 0] = np.nan
        said = self.scores >= threshold
        hits = weights[:, said & self.hits].sum(1)
        f1 = 2 * hits / (weights[:, said].sum(1) + totals)
        return f1, _areas(self.hits[None], weights, _last_of_ties(self.scores), totals)


def draws(images: int, seed: int) -> npt.NDArray[np.int64]:
    """(RESAMPLINGS, images): how often each image is drawn when as many are drawn with replacement."""
    rng = np.random.default_rng([seed, 40])
    return rng.multinomial(images, np.full(images, 1 / images), size=RESAMPLINGS)


def interval(resampled: Floats, images: int) -> Span:
    """Where 95 of 100 resamplings of a label's figure lie; None if there is none.

    Where all say the same, as they do of one that is always right, there may be other images yet: they are no more than
    the share that `images` drawn at random miss with a chance of 1 - LEVEL, and the ends are those where all of them
    are wrong and where all of them are right.
    """
    span = _middle(resampled)
    if span is None or span[0] < span[1]:
        return span
    seen = (1 - LEVEL) ** (1 / max(1, images))
    return span[0] * seen, 1 - (1 - span[1]) * seen


def mean_interval(resampled: Sequence[Floats], own: Sequence[Span]) -> Span:
    """The same of the mean over labels, from what each label's figure is in every resampling, and its own interval; a
    label that a resampling lacks is left out of that one's mean.

    Where the mean is the same in all of them, the ends are the means of the labels' own ones. That is wider than need
    be: not all labels are likely to be at their end at once.
    """
    if not resampled:
        return None
    sums, counts = np.nansum(resampled, axis=0), (~np.isnan(resampled)).sum(0)
    span = _middle(sums[counts > 0] / counts[counts > 0])
    spans = [each for each in own if each is not None]
    if span is None or span[0] < span[1]:
        return span
    low, high = np.mean(spans, axis=0).tolist()
    return low, high


def _middle(resampled: Floats) -> Span:
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return None
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)).tolist()
    return low, high


def _rates(hits: int, said: int, true: int) -> tuple[float, float, float]:
    return (
        hits / said if said else 0.0,
        hits / true if true else 0.0,
        2 * hits / (said + true) if said + true else 0.0,
    )


def _last_of_ties(scores: Floats) -> Flags:
    return np.append(np.diff(scores) != 0, True) if len(scores) else np.zeros(0, bool)


def _areas(hits: Flags, weights: Floats, last: Flags, totals: Floats | int) -> Floats:
    """Area under the falling precision-recall curve of each row of `weights` (rows, said); 0 where nothing is said."""
    right = np.cumsum(weights * hits, axis=1)[:, last]
    said = np.cumsum(weights, axis=1)[:, last]
    precision = right / np.maximum(said, 1e-12)
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    steps = np.diff(right, axis=1, prepend=0.0)
    areas: Floats = (steps * falling).sum(1) / totals
    return areas
