"""How sure the head is of its likeliest defect cells, in deviations of the normal images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relook.vision.score import Score
from relook.vision.scorers.base import Descriptors, Labels, Layout

_LEAST_DEVIATION = 0.05
"""Of a logit."""


@dataclass(frozen=True, slots=True)
class Head:
    """The mean over the views: a head that has not seen the defect stays quiet, and must not drown the others."""

    name: str
    supervised: bool = False
    needs_head: bool = True

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> Score:
        where = np.concatenate(layout.columns("head"))
        normal = descriptors[~anomalous][:, where]
        weights = np.zeros((1, descriptors.shape[1]))
        weights[0, where] = 1 / (len(where) * np.maximum(normal.std(0), _LEAST_DEVIATION))
        return Score(weights, -(weights @ descriptors[~anomalous].mean(0)))
