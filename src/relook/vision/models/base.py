"""What an anomaly model is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from relook.vision import graph
from relook.vision.embeddings import Embeddings
from relook.vision.images import Size
from relook.vision.levels import Levels
from relook.vision.mask_net import CellView
from relook.vision.memory_bank import MemoryBank
from relook.vision.problem import Problem
from relook.vision.turns import Turn

Floats = npt.NDArray[np.float32]
Step = Callable[[], None]


@dataclass(slots=True)
class Cells:
    """The patches of a problem's images at one working size, and what the models before have found out about them.

    `weight` (cells,) is what distances are multiplied by: where the product lies, and then, by the memory bank, brought
    to one level. It fills in `bank`, `levels` and `distances` (images of (cells,)), too: each image's are to a bank
    and at levels without the image it was made from. `coarse` is the smallest view.
    """

    problem: Problem
    embeddings: Embeddings
    weight: Floats
    distances: list[Floats] = field(default_factory=list)
    bank: MemoryBank | None = None
    levels: Levels | None = None
    coarse: Cells | None = None

    @property
    def grid(self) -> Size:
        return self.embeddings.grid

    def others(self, at: int) -> tuple[MemoryBank, Floats]:
        """The bank and the weights that image `at` is judged by."""
        assert self.bank is not None
        assert self.levels is not None
        source = int(self.problem.source[at])
        return self.bank.without(source), self.levels.without(source)

    def each(self) -> Iterator[tuple[int, CellView, CellView | None]]:
        """Every image with what is known of its cells, here and in the coarser view."""
        rough = self.coarse.each() if self.coarse is not None else None
        for at, embedding in self.embeddings.each():
            yield (
                at,
                CellView(embedding, self.distances[at], self.grid),
                next(rough)[1] if rough is not None else None,
            )

    def mirrored(self, at: int, flips: Sequence[Turn]) -> Iterator[tuple[Turn, CellView, CellView | None]]:
        """The same of image `at` mirrored."""
        rough = self.coarse.mirrored(at, flips) if self.coarse is not None else None
        bank, weight = self.others(at)
        plane = weight.reshape(self.grid.height, self.grid.width)
        for flip, embedding in zip(flips, self.embeddings.turned([(at, flip) for flip in flips]), strict=True):
            distance, _ = bank.nearest(embedding, flip.apply(plane).ravel())
            yield (
                flip,
                CellView(embedding, distance, self.grid),
                next(rough)[1] if rough is not None else None,
            )


@dataclass(frozen=True, slots=True)
class Learned:
    """`values` (images, k): the model's part of each image's descriptor, held out; and what the graph needs of it.

    `overlap` is the held-out mean overlap with the masks, where masks were learned from.
    """

    values: npt.NDArray[np.float64]
    bank: MemoryBank | None = None
    head: graph.CellNet | None = None
    overlap: float | None = None


class Model(Protocol):
    """`name` for the report."""

    @property
    def name(self) -> str: ...

    def usable(self, problem: Problem) -> bool:
        """Whether the problem has what the model learns from."""
        ...

    def steps(self, problem: Problem) -> int:
        """How often `learn` calls its `step`."""
        ...

    def learn(self, cells: Cells, step: Step) -> Learned:
        """Deterministic for a problem and its seed. Memory is bounded but for four bytes a patch; time is linear in the
        images."""
        ...
