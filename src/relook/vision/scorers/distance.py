"""The mean distance of the most anomalous patches: nothing to learn, works from normals alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relook.vision.descriptor import columns
from relook.vision.scorers.base import Descriptors, Labels, Layout, LinearScore


@dataclass(frozen=True, slots=True)
class Distance:
    """Standardised over the images given, so that it can be added to other scores.

    `part` is `peak` for the worst 0.3 % of the patches, right for small defects, or `top` for the worst 1 %.
    """

    name: str
    part: str
    supervised: bool = False
    needs_masks: bool = False

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> LinearScore:
        where = columns(self.part, layout.dims, layout.masks)
        values = descriptors[:, where]
        gain = 1 / (float(values.std()) + 1e-9)
        weights = np.zeros(descriptors.shape[1])
        weights[where] = gain
        return LinearScore(weights, -gain * float(values.mean()))
