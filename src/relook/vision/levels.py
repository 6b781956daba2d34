"""How much each place of a picture counts, so that no place looks strange by itself.

At the picture's border the distances of normal patches are larger, because patches there are few and show the border;
and where a part lies now so and now so they are, too. Without levelling, a picture's largest distance is most often one
of these, and defects elsewhere are lost beside it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from relook.vision.images import Size

Floats = npt.NDArray[np.float32]

_USUAL = 0.9
"""A place's usual distance is larger than this part of the images': what counts is how far its larger ones go, but not
one image's alone, be it mislabelled or the only one whose part lay there."""
_SMOOTH = 1 / 32
"""Of the shorter side: as far as this, what a few images say of one cell is evened out."""
_PRODUCT = 0.6
"""Cells of this weight and more are the product, whose usual distance is the measure."""
_BESIDE_BACKGROUND = 0.5
"""The power that levels are taken to where there is a background: the border is part of that, and where normal products
differ most is where defects lie, too. In full, the hottest point more often fell beside the defect."""
_LEAST = 0.1
"""To no less than this is a place's weight brought."""
_TINY = 1e-6


class Levels:
    """From the distances of normal images, each held out: what brings these down, where they are larger than usual on
    the product, to what is usual there."""

    def __init__(self, distances: Floats, source: npt.NDArray[np.int64], grid: Size, weight: Floats) -> None:
        """`distances` (images, cells) are of images that `source` (images,) tells apart; `weight` (cells,) is small off
        the product."""
        self._distances = distances
        self._source = source
        self._grid = grid
        self._weight = weight
        product = weight >= _PRODUCT
        self._product = product if product.any() else ~product
        self._power = 1.0 if (weight == 1).all() else _BESIDE_BACKGROUND
        self._whole = self._from(distances)

    def without(self, source: int | None) -> Floats:
        """(cells,) weights, not told by that image: by itself it would look more usual than a new one does."""
        rest = self._source != source
        return self._whole if rest.all() or not rest.any() else self._from(self._distances[rest])

    def _from(self, distances: Floats) -> Floats:
        grid = np.quantile(distances, _USUAL, axis=0).reshape(self._grid.height, self._grid.width)
        smooth = gaussian_filter(grid, _SMOOTH * min(grid.shape), mode="nearest").ravel()
        level = np.median(smooth[self._product]) / np.maximum(smooth, _TINY)
        found: Floats = (self._weight * np.clip(level**self._power, _LEAST, 1)).astype(np.float32)
        return found
