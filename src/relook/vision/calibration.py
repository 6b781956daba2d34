"""Raw scores to 0..1, and the threshold. Numpy only: serving needs `apply`, training the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

NORMAL_DEVIATIONS = 1.25
"""Without anomalies to learn from, the threshold lies this many deviations above the median held-out normal.

Of 42 sets of unseen images 6 to 12 % of the normals lay beyond it, by kind of set (11 % of a normal distribution do).
Higher ones give fewer false alarms and about as many more misses (docs/adr/0010-held-out-normals.md)."""
LEAST_SPREAD = 0.05
"""Normals that are all but the same leave it at this: the next one is not, and scores must not come too near to 1."""
_QUARTILES = 1.349
"""Deviations between the quartiles of a normal distribution."""
_RESAMPLINGS = 100
_LEAST_STEP = 1e-6
"""Of a Newton step: where less than this still raises the loss, rounding is all that is left."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """score = sigmoid(2 asinh(t / 2)) with t = slope * raw + offset, slope > 0.

    Near t = 0 this is Platt's sigmoid; far out it approaches 0 and 1 as 1 / t**2 does, so that scores of far
    outliers stay apart instead of rounding to 1.
    """

    slope: float
    offset: float

    def apply(self, raw: float) -> float:
        """Strictly increasing in `raw`; in (0, 1)."""
        t = self.slope * raw + self.offset
        return 1.0 / (1.0 + math.exp(-2.0 * math.asinh(t / 2.0)))


def fit_platt(raw: Floats, anomalous: Labels, shrinkage: float = 1.0) -> Calibration:
    """Logistic regression of the label on the raw score, by Newton steps, with smoothed targets (Platt, 1999) and an
    L2 penalty of `shrinkage` on the slope of the standardised score.

    A step that would raise the loss is halved: where few images have the label and are told well, whole ones run away.
    """
    centre, spread = float(raw.mean()), float(raw.std()) + 1e-9
    z = (raw - centre) / spread
    positives, negatives = int(anomalous.sum()), int((~anomalous).sum())
    target = np.where(anomalous, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, offset = 1.0, 0.0

    def loss(slope: float, offset: float) -> float:
        t = slope * z + offset
        return float((np.logaddexp(0, t) - target * t).sum()) + shrinkage * slope**2 / 2

    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(slope * z + offset, -30, 30)))
        error, weight = p - target, p * (1 - p) + 1e-9
        gradient = np.array([error @ z + shrinkage * slope, error.sum()])
        curvature = np.array([[(weight * z) @ z + shrinkage, weight @ z], [weight @ z, weight.sum()]])
        step = np.linalg.solve(curvature, gradient)
        part, now = 1.0, loss(slope, offset)
        while loss(slope - part * step[0], offset - part * step[1]) > now and part > _LEAST_STEP:
            part /= 2
        if part <= _LEAST_STEP:
            break
        slope, offset = slope - part * float(step[0]), offset - part * float(step[1])
    slope = max(slope, 0.1)  # a score that ranks the wrong way round must still be increasing
    return Calibration(slope / spread, offset - slope * centre / spread)


def best_threshold(raw: Floats, anomalous: Labels) -> float:
    """The raw threshold of the best F1, in the middle of the gap below it; of equal ones the widest gap."""
    order = np.argsort(-raw, kind="stable")
    values, labels = raw[order], anomalous[order]
    hits = np.cumsum(labels)
    f1 = 2 * hits / (np.arange(1, len(raw) + 1) + labels.sum())
    below = np.append(values[1:], values[-1] - 1e-6)
    gap = values - below
    f1 = np.where(gap > 0, f1, -1.0)  # a cut between equal scores is none
    winner = max(range(len(raw)), key=lambda at: (round(float(f1[at]), 9), float(gap[at])))
    return float((values[winner] + below[winner]) / 2)


def steady_threshold(raw: Floats, anomalous: Labels, seed: int) -> float:
    """The mean of the best thresholds of images drawn with replacement, label by label: the best one of a few dozen
    images hangs on two of them."""
    rng = np.random.default_rng([seed, 8])
    labels = [np.flatnonzero(anomalous == label) for label in (False, True)]
    found = []
    for _ in range(_RESAMPLINGS):
        drawn = np.concatenate([rng.choice(members, len(members)) for members in labels])
        found.append(best_threshold(raw[drawn], anomalous[drawn]))
    return float(np.mean(found))


def from_normals(raw: Floats) -> tuple[Calibration, float]:
    """Calibration and raw threshold when only normal images are known: the threshold's score is 0.5. `raw` is in
    deviations of normal images, each picture there once."""
    # A quarter may be mislabelled and not lift the threshold. Of few, the usual quartiles lie too near to each other.
    lower, centre, upper = np.quantile(raw, [0.25, 0.5, 0.75], method="median_unbiased").tolist()
    spread = max((upper - lower) / _QUARTILES, LEAST_SPREAD)
    threshold = centre + NORMAL_DEVIATIONS * spread
    return Calibration(1 / spread, -threshold / spread), threshold
