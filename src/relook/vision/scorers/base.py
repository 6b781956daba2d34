"""What a scorer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Descriptors = npt.NDArray[np.float64]
"""(images, values), see `relook.vision.descriptor`."""
Labels = npt.NDArray[np.bool_]
"""(images,), True for anomalous."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a descriptor: embedding dimensions, and whether a mask head's value ends it."""

    dims: int
    masks: bool


@dataclass(frozen=True, slots=True)
class LinearScore:
    """raw = weights @ descriptor + bias; weights (values,)."""

    weights: npt.NDArray[np.float64]
    bias: float

    def apply(self, descriptors: Descriptors) -> npt.NDArray[np.float64]:
        """(images,) raw scores of (images, values)."""
        raw: npt.NDArray[np.float64] = descriptors @ self.weights + self.bias
        return raw


class Scorer(Protocol):
    """`name` for the report; `supervised` scorers need anomalies, `needs_masks` ones a mask head."""

    @property
    def name(self) -> str: ...
    @property
    def supervised(self) -> bool: ...
    @property
    def needs_masks(self) -> bool: ...

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> LinearScore:
        """Deterministic; supervised scorers need at least one image of each label."""
        ...
