"""Logistic regression with an L2 penalty on parts of the descriptor, when anomalies are labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from relook.vision.descriptor import columns
from relook.vision.scorers.base import Descriptors, Labels, Layout, LinearScore


@dataclass(frozen=True, slots=True)
class Logistic:
    """`strength` is scikit-learn's C: small, for there are more values than images."""

    name: str
    parts: tuple[str, ...]
    strength: float
    supervised: bool = True

    @property
    def needs_masks(self) -> bool:
        return "mask" in self.parts

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> LinearScore:
        chosen = np.concatenate(
            [np.arange(descriptors.shape[1])[columns(part, layout.dims, layout.masks)] for part in self.parts]
        )
        values = descriptors[:, chosen]
        mean, deviation = values.mean(0), values.std(0) + 1e-6
        model = LogisticRegression(C=self.strength, class_weight="balanced", max_iter=1000)
        model.fit((values - mean) / deviation, anomalous)
        weights = np.zeros(descriptors.shape[1])
        weights[chosen] = model.coef_[0] / deviation
        return LinearScore(weights, float(model.intercept_[0] - mean @ weights[chosen]))
