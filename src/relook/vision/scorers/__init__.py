"""Image scorers: each turns the descriptor of an image into one raw score, higher for anomalous.

Every scorer is a softened maximum of linear functions of the descriptor (`relook.vision.score`), so that serving needs
one small product whichever won.
Add one by writing a file with a `Scorer` and naming it in `SCORERS`; the contract test runs over all of them.
"""

from __future__ import annotations

from relook.vision.score import Score
from relook.vision.scorers.base import Layout, Scorer, ViewLayout
from relook.vision.scorers.distance import Distance
from relook.vision.scorers.fusion import Fusion
from relook.vision.scorers.head import Head
from relook.vision.scorers.logistic import Logistic

UNTAUGHT = Distance("tail distance", "tail")
"""What labels have to be better than."""
_LEARNED = (
    Logistic("statistics", ("statistics",), strength=0.1),
    Logistic("residuals", ("residuals",), strength=0.01),
    Logistic("statistics and residuals", ("statistics", "residuals"), strength=0.01),
    Logistic("head, labelled", ("head",), strength=0.1),
    Logistic("head and residuals", ("head", "residuals"), strength=0.01),
)

SCORERS: tuple[Scorer, ...] = (
    UNTAUGHT,
    Distance("peak distance", "peak"),
    Distance("top distance", "top"),
    Fusion("tail distance and head", (UNTAUGHT, Head("head")), needs_head=True),
    Fusion("tail distance and all that is learned", (UNTAUGHT, *_LEARNED)),
)
"""Plainer first: of equal ones the first wins. With labelled anomalies there is one, the mean of all, and no choice
but of `UNTAUGHT` where they teach nothing: of several scores on a few dozen images the best by cross-validation is the
luckiest (measured on 22 random halves of three sets: the mean was 1 point of AUROC and 3 of F1 better than the chosen
one on boards, equal elsewhere)."""

__all__ = ["SCORERS", "UNTAUGHT", "Layout", "Score", "Scorer", "ViewLayout"]
