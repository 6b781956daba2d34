"""Image scorers: each turns the descriptor of an image into one raw score, higher for anomalous.

Every scorer is linear in the descriptor, so that serving needs one dot product whichever won. Add one by writing a file
with a `Scorer` and naming it in `SCORERS`; the contract test runs over all of them.
"""

from __future__ import annotations

from relook.vision.scorers.base import LinearScore, Scorer
from relook.vision.scorers.distance import Distance
from relook.vision.scorers.fusion import Fusion
from relook.vision.scorers.logistic import Logistic

SCORERS: tuple[Scorer, ...] = (
    Distance("distance", "top"),
    Distance("peak distance", "peak"),
    Logistic("statistics", ("statistics",), strength=0.1),
    Logistic("residuals", ("residuals",), strength=0.01),
    Fusion("peak and residuals", (Distance("peak distance", "peak"), Logistic("residuals", ("residuals",), 0.01))),
    Logistic("mask", ("mask",), strength=0.1),
    Logistic("mask and residuals", ("mask", "residuals"), strength=0.01),
)
"""Cheaper and plainer first: of nearly equal ones the first wins."""

__all__ = ["SCORERS", "LinearScore", "Scorer"]
