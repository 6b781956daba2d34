"""Where the product lies: cells that look unlike the picture's rim, in the normal images.

A tray, a belt or a backdrop differs between good and bad pictures for reasons that are not the product's. Distances
there are multiplied by a small weight. Where the rim looks like the rest (cloth, sheet metal, a product that fills the
picture), or the product lies elsewhere in every picture, nothing is the background.

Whether there is a background, and where, is told by colour and fine structure. A network's features would find one
everywhere: they show the picture's border itself, whatever lies there, six cells deep. In pictures with a background
they tell how far in that goes, so that it does not stand out where colours call it the product.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter, generate_binary_structure, grey_erosion, maximum_filter

from relook.vision.images import Pixels, Size, resize
from relook.vision.memory_bank import greedy_coreset

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

CELL = 8
"""Pixels of a cell's side."""
IMAGES = 40
"""More normal images than this are not needed to see where the product lies."""
BACKGROUND_WEIGHT = 0.25
_RIM = 0.05
"""Part of the shorter side that is taken for the rim; at least one cell."""
_RIM_ROWS = 1000
_USUAL = 0.9
"""A cell is unlike the rims when it is farther from them than this part of a rim's cells are from the other images'."""
_SELDOM, _OFTEN = 0.1, 0.5
"""In more than so many of the images the product must lie somewhere to count there, and in full."""
_CORE = 0.1
"""Part of the inner cells that is taken for the product's core: unless it is unlike the rim in at least half of the
images, nothing is said to be background."""
_LEAST_COLOUR, _LEAST_STRUCTURE = 0.04, 0.15
"""What a rim's cells are taken to differ by at least, of 1 and as a logarithm: on an even backdrop every shade would
be a product."""
_GREY_LEVELS = 2.0
"""Added to differences before their logarithm, of 255: noise is no structure."""


def weights(images: Iterable[Pixels], source: Positions, size: Size, seed: int) -> Floats | None:
    """(rows, columns) in BACKGROUND_WEIGHT..1 from normal images looked at in `size`; None without background.

    `source` is a number for each image; copies of a picture have the same, and are not held against each other.
    """
    grid = Size(size.height // CELL, size.width // CELL)
    cells = [_cells(pixels, grid) for pixels in images]
    rim = _rim(grid)
    if len(cells) < 2:
        return None
    edge = np.concatenate([each[rim.ravel()] for each in cells])
    least = np.repeat(np.array([_LEAST_COLOUR, _LEAST_STRUCTURE], np.float32), 3)
    unit = np.maximum(edge.std(0), least)
    bank = greedy_coreset(edge / unit, np.repeat(source, rim.sum()), _RIM_ROWS, np.random.default_rng([seed, 11]))
    others = (bank.without(at) for at in source.tolist())
    rims = [rest.distances((each / unit)[rim.ravel()]) for rest, each in zip(others, cells, strict=True)]
    limit = np.quantile(np.concatenate(rims), _USUAL)
    product = np.mean([bank.distances(each / unit) > limit for each in cells], axis=0).reshape(grid.height, grid.width)
    if np.quantile(product[~rim], 1 - _CORE) < 0.5:
        return None
    # a cell more all around: what sticks out of a product, or is broken off it, lies there
    often = maximum_filter(gaussian_filter(_filled(product.astype(np.float32)), 0.7, mode="nearest"), 3)
    found: Floats = np.clip((often - _SELDOM) / (_OFTEN - _SELDOM), BACKGROUND_WEIGHT, 1).astype(np.float32)
    return found


def within(embeddings: Iterable[Floats], source: Positions, grid: Size, seed: int) -> Floats:
    """(rows, columns) in BACKGROUND_WEIGHT..1 from the (cells, dims) of at least two normal images: small where the
    features look like those of the other images' rims. `source` as for `weights`."""
    rim = _rim(grid)
    images = list(embeddings)
    rows = np.concatenate([each[rim.ravel()] for each in images])
    bank = greedy_coreset(rows, np.repeat(source, rim.sum()), _RIM_ROWS, np.random.default_rng([seed, 11]))
    others = (bank.without(at) for at in source.tolist())
    distance = np.stack([rest.distances(each) for rest, each in zip(others, images, strict=True)])
    limit = np.quantile(distance[:, rim.ravel()], _USUAL)
    inside = (distance > limit).mean(0).reshape(grid.height, grid.width).astype(np.float32)
    found: Floats = np.clip(gaussian_filter(inside, 1.0, mode="nearest"), BACKGROUND_WEIGHT, 1)
    return found


def spread(weight: Floats | None, grid: Size) -> Floats:
    """(cells,) of another grid; ones where there is no background."""
    if weight is None:
        return np.ones(grid.height * grid.width, np.float32)
    image = Image.fromarray(weight).resize((grid.width, grid.height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image, np.float32).ravel())


def _cells(pixels: Pixels, grid: Size) -> Floats:
    """(cells, 6): mean red, green and blue of 1; as logarithms the mean differences of neighbours along and across, and
    the deviation."""
    shape = (grid.height, CELL, grid.width, CELL)
    picture = resize(pixels, Size(grid.height * CELL, grid.width * CELL)).astype(np.float32)
    grey = picture.mean(2)
    along = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    across = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    colour = picture.reshape(*shape, 3).mean((1, 3)) / 255
    structure = [along.reshape(shape).mean((1, 3)), across.reshape(shape).mean((1, 3)), grey.reshape(shape).std((1, 3))]
    found: Floats = np.dstack([colour, np.log(np.dstack(structure) + _GREY_LEVELS)]).reshape(-1, 6)
    return found


def _filled(product: Floats) -> Floats:
    """Each cell as the highest that has to be crossed on the best way from it to the picture's edge: what the product
    encloses is the product, be it as pale as the backdrop. (Greyscale reconstruction, Vincent, 1993.)"""
    filled = np.full_like(product, product.max())
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        filled[side] = product[side]
    while True:
        lower = np.maximum(grey_erosion(filled, footprint=generate_binary_structure(2, 1)), product)
        if np.array_equal(lower, filled):
            return filled
        filled = lower


def _rim(grid: Size) -> npt.NDArray[np.bool_]:
    width = max(1, round(_RIM * min(grid.height, grid.width)))
    rim = np.ones((grid.height, grid.width), bool)
    rim[width:-width, width:-width] = False
    return rim
