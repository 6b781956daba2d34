"""Where the product lies: cells that are unlike what lies along the picture's rim, in the normal images.

A tray, a belt or a backdrop differs between good and bad pictures for reasons that are not the product's. Distances
there are multiplied by a small weight. Where the rim looks like the rest (cloth, sheet metal, a product that fills the
picture) nothing is the background and every weight is 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from relook.vision.images import Size
from relook.vision.memory_bank import greedy_coreset

Floats = npt.NDArray[np.float32]

IMAGES = 40
"""More normal images than this are not needed to see where the product lies."""
BACKGROUND_WEIGHT = 0.25
_RIM = 0.05
"""Part of the shorter side that is taken for the rim; at least one cell."""
_RIM_ROWS = 1000
_USUAL = 0.9
"""A cell is unlike the rim when it is farther from the rims of the other images than this part of their own cells."""
_CORE = 0.1
"""Part of the inner cells that is taken for the product's core: unless it is unlike the rim in at least half of the
images, nothing is said to be background."""


def weights(embeddings: Iterable[tuple[int, Floats]], grid: Size, seed: int) -> Floats | None:
    """(rows, columns) in BACKGROUND_WEIGHT..1 from (position, (cells, dims)) of normal images; None without background.

    The mean over the images of which cells are foreground, so that it holds for images not seen yet.
    """
    rim = _rim(grid)
    images = [(at, embedding) for at, embedding in embeddings]
    if len(images) < 2:
        return None
    rows = np.concatenate([embedding[rim.ravel()] for _, embedding in images])
    source = np.repeat([at for at, _ in images], int(rim.sum()))
    bank = greedy_coreset(rows, source, _RIM_ROWS, np.random.default_rng([seed, 11]))
    distance = np.stack([bank.without(at).nearest(embedding)[0] for at, embedding in images])
    limit = np.quantile(distance[:, rim.ravel()], _USUAL)
    product = (distance > limit).mean(0).reshape(grid.height, grid.width)
    if np.quantile(product[~rim], 1 - _CORE) < 0.5:
        return None
    smooth = gaussian_filter(product.astype(np.float32), 1.0, mode="nearest")
    found: Floats = np.clip(smooth, BACKGROUND_WEIGHT, 1).astype(np.float32)
    return found


def spread(weight: Floats | None, grid: Size) -> Floats:
    """(cells,) of another grid; ones where there is no background."""
    if weight is None:
        return np.ones(grid.height * grid.width, np.float32)
    image = Image.fromarray(weight).resize((grid.width, grid.height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image, np.float32).ravel())


def _rim(grid: Size) -> npt.NDArray[np.bool_]:
    width = max(1, round(_RIM * min(grid.height, grid.width)))
    rim = np.ones((grid.height, grid.width), bool)
    rim[width:-width, width:-width] = False
    return rim
