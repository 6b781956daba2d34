"""What the backbone sees of the chosen images: the whole picture, its border alone, its background alone, its patches.

The border is seen with the middle painted over: a patch's features reach far beyond it, and would tell of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion

from relook.vision.backbones import Backbone
from relook.vision.features import Extractor
from relook.vision.images import Pixels, Size, decode, resize, working_size
from relook.vision.memory_bank import fit_projection
from relook.vision.runtime import Precision
from relook.vision.samples import Sample

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

LONG_SIDE = 256
RING = 2
"""Cells of the border that are looked at."""
_SHOWN = 0.09
"""Of each side: what is left of the picture when its middle is painted over."""
_NARROWEST = 64
"""Pixels of the shorter side from which a border can be told from the product: of a strip it would be a half."""
_PAINT = (124, 116, 104)
"""ImageNet's mean: nothing to the backbone."""
DIMS = 64
_PROJECTED_FROM, _PROJECTED_ROWS = 40, 20_000
_BORDER_ROWS = 400
_LEAST_BACKGROUND, _MOST_BACKGROUND = 0.03, 0.70
"""Share of the picture: less says nothing, and where most looks like the border the product itself does."""


@dataclass(frozen=True, slots=True)
class Views:
    """Of n images: `whole`, `border` and `background` (n, 2 * channels), `patches` (n, cells, dims) projected.

    `border` and `background` are None where they were not asked for, `background` also where the product fills the
    picture."""

    whole: Matrix
    border: Matrix | None
    background: Matrix | None
    patches: npt.NDArray[np.float16]


def look(
    samples: Sequence[Sample],
    normal: npt.NDArray[np.bool_],
    size: Size,
    backbone: Backbone,
    precision: Precision,
    seed: int,
    step: Callable[[], None],
    border: bool = True,
) -> Views:
    """Features of `samples`, whose commonest image size is `size`; every one can be decoded.

    Without `border`, that and the background are not looked at, which saves half of the time. `step` is called once for
    every image, with the border twice.
    """
    extractor = Extractor(backbone, working_size(size, LONG_SIDE), precision)

    def pixels(paint: bool) -> Iterator[Pixels]:
        for sample in samples:
            image = resize(decode(sample.load()), extractor.size)
            yield painted(image) if paint else image
            step()

    rim = None
    if border:
        ring = _ring(extractor.grid)
        painted_over = extractor.each(pixels(paint=True))
        rim = np.stack([_moments(patches[ring]) for patches in painted_over]).astype(np.float64)
    whole: list[Floats] = []
    kept: list[npt.NDArray[np.float16]] = []
    stream = extractor.each(pixels(paint=False))
    first = [next(stream) for _ in range(min(len(samples), _PROJECTED_FROM))]
    projection = fit_projection(_drawn(first, seed), DIMS)
    for patches in _chain(first, stream):
        whole.append(_moments(patches))
        kept.append((patches @ projection.weight + projection.bias).astype(np.float16))
    stacked = np.stack(kept)
    background = _background(stacked, normal, extractor.grid, seed) if border else None
    return Views(np.stack(whole).astype(np.float64), rim, background, stacked)


def has_border(size: Size) -> bool:
    """Whether a picture of that size has one that can be told from the product."""
    looked_at = working_size(size, LONG_SIDE)
    return min(looked_at.height, looked_at.width) >= _NARROWEST


def painted(image: Pixels) -> Pixels:
    """The picture with its middle painted over."""
    rows, columns = (max(8, round(_SHOWN * side)) for side in image.shape[:2])
    out = image.copy()
    out[rows:-rows, columns:-columns] = _PAINT
    return out


def _chain(first: list[Floats], rest: Iterator[Floats]) -> Iterator[Floats]:
    while first:
        yield first.pop(0)
    yield from rest


def _drawn(images: Sequence[Floats], seed: int) -> Floats:
    rng = np.random.default_rng([seed, 22])
    share = max(1, _PROJECTED_ROWS // len(images))
    return np.concatenate([patches[rng.permutation(len(patches))[:share]] for patches in images])


def _moments(patches: Floats) -> Floats:
    """(2 * channels,): mean and deviation of each channel."""
    return np.concatenate([patches.mean(0), patches.std(0)])


def _ring(grid: Size) -> npt.NDArray[np.bool_]:
    flags = np.ones((grid.height, grid.width), bool)
    flags[RING:-RING, RING:-RING] = False
    return flags.ravel()


def _background(
    patches: npt.NDArray[np.float16], normal: npt.NDArray[np.bool_], grid: Size, seed: int
) -> Matrix | None:
    """Moments of the patches that look like the border of normals does and whose neighbours do too."""
    ring = _ring(grid)
    rng = np.random.default_rng([seed, 23])
    rows = patches[normal][:, ring].reshape(-1, patches.shape[2]).astype(np.float32)
    order = rng.permutation(len(rows))
    bank, held = rows[order[:_BORDER_ROWS]], rows[order[_BORDER_ROWS : 2 * _BORDER_ROWS]]
    if len(held) < _BORDER_ROWS // 2:
        return None
    reach = float(np.quantile(_nearest(held, bank), 0.95))
    inside = np.zeros((grid.height, grid.width), bool)
    inside[RING:-RING, RING:-RING] = True  # the border has a probe of its own
    vectors, shares = [], []
    for image in patches:
        alike = (_nearest(image.astype(np.float32), bank) <= reach).reshape(grid.height, grid.width)
        chosen = binary_erosion(alike, np.ones((3, 3)), border_value=1) & inside
        shares.append(float(chosen.sum()) / inside.sum())
        vectors.append(_moments(image[chosen.ravel()].astype(np.float32)) if chosen.any() else None)
    if not _LEAST_BACKGROUND <= float(np.median(shares)) <= _MOST_BACKGROUND:
        return None
    typical = np.mean([vector for vector in vectors if vector is not None], axis=0)
    return np.stack([typical if vector is None else vector for vector in vectors]).astype(np.float64)


def _nearest(rows: Floats, bank: Floats) -> Floats:
    squares = np.square(rows).sum(1)[:, None] - 2 * rows @ bank.T + np.square(bank).sum(1)
    distances: Floats = np.sqrt(np.maximum(squares.min(1), 0))
    return distances
