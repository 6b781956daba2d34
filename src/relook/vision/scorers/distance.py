"""How far the most anomalous patches lie from normal ones: nothing to learn from anomalies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relook.vision.score import Score
from relook.vision.scorers.base import Descriptors, Labels, Layout

_LEAST_DEVIATION = 0.02
"""Of a logarithm: two per cent. Five normals may agree by chance."""
_ROUNDING = 0.02
"""A distance: about what float16 embeddings and two ways to compute it make of none. Where normal images lie no farther
from each other, as blank ones do, what is left is no deviation of theirs."""
_TEMPERATURE = 1.0
"""Deviations: where two views are this far apart, the stranger one counts e times as much. What both see a little of is
a defect more often than what one sees alone. It ranks no worse than the plain maximum, and better with ImageNet's
weights; higher ones rank a little better still, but from normals alone they decide worse (ADR 9)."""


@dataclass(frozen=True, slots=True)
class Distance:
    """In deviations of the normal images, so that views can be compared; of several views the highest counts most.

    `part` is `peak` for the worst 0.3 % of the patches, right for small defects, `top` for the worst 1 %, or `tail`
    for the mean over the maximum and the worst 0.3, 1 and 5 %.
    """

    name: str
    part: str
    supervised: bool = False
    needs_head: bool = False

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> Score:
        views = layout.columns(self.part)
        weights = np.zeros((len(views), descriptors.shape[1]))
        for row, where in enumerate(views):
            normal = descriptors[~anomalous][:, where]
            least = np.maximum(_LEAST_DEVIATION, _ROUNDING * np.exp(-normal.mean(0)))
            weights[row, where] = 1 / (len(where) * np.maximum(normal.std(0), least))
        return Score(weights, -(weights @ descriptors[~anomalous].mean(0)), _TEMPERATURE)
