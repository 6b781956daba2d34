"""Image scorers: each turns the descriptor of an image into one raw score, higher for anomalous.

Every scorer is a maximum of linear functions of the descriptor, so that serving needs one small product whichever won.
Add one by writing a file with a `Scorer` and naming it in `SCORERS`; the contract test runs over all of them.
"""

from __future__ import annotations

from relook.vision.scorers.base import Layout, Score, Scorer, ViewLayout
from relook.vision.scorers.distance import Distance
from relook.vision.scorers.fusion import Fusion
from relook.vision.scorers.head import Head
from relook.vision.scorers.logistic import Logistic

_TAIL = Distance("tail distance", "tail")
_RESIDUALS = Logistic("residuals", ("residuals",), strength=0.01)

SCORERS: tuple[Scorer, ...] = (
    _TAIL,
    Distance("peak distance", "peak"),
    Distance("top distance", "top"),
    Fusion("tail distance and head", (_TAIL, Head("head"))),
    Logistic("statistics", ("statistics",), strength=0.1),
    _RESIDUALS,
    Logistic("statistics and residuals", ("statistics", "residuals"), strength=0.01),
    Fusion("tail distance and residuals", (_TAIL, _RESIDUALS)),
    Logistic("head, labelled", ("head",), strength=0.1),
    Logistic("head and residuals", ("head", "residuals"), strength=0.01),
)
"""Cheaper and plainer first: of nearly equal ones the first wins."""

__all__ = ["SCORERS", "Layout", "Score", "Scorer", "ViewLayout"]
