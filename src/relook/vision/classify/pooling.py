"""What the patches of an image say of the whole: blocks of values. The graph computes the same (see `exporting`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relook.vision.images import Size
from relook.vision.memory_bank import MemoryBank

Floats = npt.NDArray[np.float32]
Blocks = dict[str, Floats]
"""Block name: (values,) of one image, or (images, values) of many."""

MEAN, DEVIATION, PEAK, QUARTERS = "mean", "deviation", "peak", "quarters"
POOLED = (MEAN, DEVIATION, PEAK, QUARTERS)
"""Of each channel: mean, deviation and maximum over all patches, and the mean over each quarter of the picture."""
FAR, ASTRAY, DRIFT = "far", "astray", "drift"
EVIDENCE = (FAR, ASTRAY, DRIFT)
"""Of a group's memory: how far the farthest patches lie from it, and how they differ from their nearest neighbours
there, absolute and signed. Names carry the group's number behind."""
TINY = 1e-6


def evidence_blocks(group: int) -> tuple[str, ...]:
    """The names of a group's blocks."""
    return tuple(f"{name}{group}" for name in EVIDENCE)


def pooled(patches: Floats, grid: Size) -> Blocks:
    """The blocks of POOLED from `patches` (cells, channels)."""
    plane = patches.reshape(grid.height, grid.width, -1)
    quarters = [plane[rows, columns].mean((0, 1)) for rows, columns in quarter_slices(grid)]
    return {
        MEAN: patches.mean(0),
        DEVIATION: patches.std(0),
        PEAK: patches.max(0),
        QUARTERS: np.concatenate(quarters),
    }


def quarter_slices(grid: Size) -> list[tuple[slice, slice]]:
    """Rows and columns of the four quarters of a grid."""
    middle_row, middle_column = grid.height // 2, grid.width // 2
    rows = (slice(0, middle_row), slice(middle_row, grid.height))
    columns = (slice(0, middle_column), slice(middle_column, grid.width))
    return [(row, column) for row in rows for column in columns]


def counts(cells: int) -> tuple[int, int, int, int]:
    """How many of the farthest patches are averaged for each value of FAR; the third's are looked at more closely."""
    return 1, max(1, cells // 300), max(1, cells // 100), max(1, cells // 20)


def evidence(embedding: Floats, bank: MemoryBank, group: int) -> Blocks:
    """The blocks of one group from `embedding` (cells, dims) and the memory of the group."""
    distance, residual = bank.nearest(embedding)
    falling = np.sort(distance)[::-1]
    far = [*(falling[:count].mean() for count in counts(len(distance))), distance.mean()]
    values = (np.log(np.array(far, np.float32) + np.float32(TINY)), np.abs(residual).mean(0), residual.mean(0))
    return dict(zip(evidence_blocks(group), values, strict=True))


def stack(images: Sequence[Blocks]) -> Blocks:
    """(images, values) of each block."""
    return {name: np.stack([each[name] for each in images]) for name in images[0]}
