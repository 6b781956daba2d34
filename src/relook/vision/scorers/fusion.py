"""The mean of several scorers, each brought to unit deviation over the images it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relook.vision.scorers.base import Descriptors, Labels, Layout, LinearScore, Scorer


@dataclass(frozen=True, slots=True)
class Fusion:
    """Linear, since its parts are."""

    name: str
    parts: tuple[Scorer, ...]

    @property
    def supervised(self) -> bool:
        return any(part.supervised for part in self.parts)

    @property
    def needs_masks(self) -> bool:
        return any(part.needs_masks for part in self.parts)

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> LinearScore:
        weights, bias = np.zeros(descriptors.shape[1]), 0.0
        for part in self.parts:
            score = part.fit(descriptors, anomalous, layout)
            gain = 1 / (len(self.parts) * (float(score.apply(descriptors).std()) + 1e-9))
            weights = weights + gain * score.weights
            bias += gain * score.bias
        return LinearScore(weights, bias)
