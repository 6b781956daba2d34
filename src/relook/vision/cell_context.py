"""What a head sees of a cell's neighbourhood, and what part of a cell a mask covers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from relook.vision.graph import CONTEXT
from relook.vision.images import Size
from relook.vision.masks import ClassMap

Floats = npt.NDArray[np.float32]


def context(embedding: Floats, distance: Floats, grid: Size) -> Floats:
    """(cells, 3 * dims + 1): what the head sees of each cell; the graph computes the same."""
    plane = embedding.reshape(grid.height, grid.width, -1)
    near = _mean_of(plane)
    wide = _mean_of(near)
    return np.concatenate([plane, near, wide, distance.reshape(grid.height, grid.width, 1)], 2).reshape(
        len(embedding), -1
    )


def _mean_of(plane: Floats) -> Floats:
    half = CONTEXT // 2
    rows, columns = plane.shape[:2]
    padded = np.pad(plane, ((half, half), (half, half), (0, 0)), mode="edge")
    tall = sum((padded[at : at + rows] for at in range(1, CONTEXT)), padded[:rows])
    both: Floats = sum((tall[:, at : at + columns] for at in range(1, CONTEXT)), tall[:, :columns])
    return both / np.float32(CONTEXT * CONTEXT)


def cover(mask: ClassMap, grid: Size, classes: int) -> Floats:
    """(cells, classes): the part of each cell that each defect class covers, 0..1."""
    rows = np.arange(grid.height + 1) * mask.shape[0] // grid.height
    columns = np.arange(grid.width + 1) * mask.shape[1] // grid.width
    area = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    parts = []
    for at in range(1, classes + 1):
        summed = np.add.reduceat((mask == at).astype(np.float32), rows[:-1], axis=0)
        parts.append((np.add.reduceat(summed, columns[:-1], axis=1) / area).ravel())
    return np.stack(parts, 1).astype(np.float32)
