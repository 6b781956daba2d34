"""Logistic regression with an L2 penalty on parts of the descriptor, when anomalies are labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from relook.vision.score import Score
from relook.vision.scorers.base import Descriptors, Labels, Layout


@dataclass(frozen=True, slots=True)
class Logistic:
    """`strength` is scikit-learn's C: small, for there are more values than images."""

    name: str
    parts: tuple[str, ...]
    strength: float
    supervised: bool = True

    @property
    def needs_head(self) -> bool:
        return "head" in self.parts

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> Score:
        chosen = np.concatenate([where for part in self.parts for where in layout.columns(part)])
        values = descriptors[:, chosen]
        mean, deviation = values.mean(0), values.std(0) + 1e-6
        # The penalty makes the solution a sum of the images, so it is sought among those: as many unknowns as images.
        left, size, axes = np.linalg.svd((values - mean) / deviation, full_matrices=False)
        model = LogisticRegression(C=self.strength / len(layout.views), class_weight="balanced", max_iter=1000)
        model.fit(left * size, anomalous)
        weights = np.zeros((1, descriptors.shape[1]))
        weights[0, chosen] = (model.coef_[0] @ axes) / deviation
        return Score(weights, np.array([float(model.intercept_[0] - mean @ weights[0, chosen])]))
