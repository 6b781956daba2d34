"""The raw score of an image: one number from its descriptor. Numpy only, because serving needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """raw = softened maximum over the rows of weights @ descriptor + bias; weights (rows, values), bias (rows,).

    Softened: temperature * log mean exp(row / temperature), in the unit of the rows; it lies between their mean and
    their maximum, and is the maximum itself at temperature 0.
    """

    weights: Floats
    bias: Floats
    temperature: float = 0.0

    def apply(self, descriptors: Floats) -> Floats:
        """(images,) raw scores of (images, values)."""
        rows = descriptors @ self.weights.T + self.bias
        highest: Floats = rows.max(1)
        if self.temperature == 0:
            return highest
        parts = np.exp((rows - highest[:, None]) / self.temperature)  # the highest's is 1, so the logarithm is finite
        raw: Floats = highest + self.temperature * np.log(parts.mean(1))
        return raw
