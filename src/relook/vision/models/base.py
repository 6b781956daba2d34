"""What an anomaly model is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from relook.vision import graph
from relook.vision.embeddings import Embeddings
from relook.vision.images import Size
from relook.vision.memory_bank import MemoryBank
from relook.vision.problem import Problem

Floats = npt.NDArray[np.float32]
Step = Callable[[], None]


@dataclass(slots=True)
class Cells:
    """The patches of a problem's images at one working size, and what the models before have found out about them.

    `weight` (cells,) is what distances are multiplied by. `distances` (images of (cells,)) is filled by the memory
    bank: each image's are to a bank without the image it was made from.
    """

    problem: Problem
    embeddings: Embeddings
    weight: Floats
    distances: list[Floats] = field(default_factory=list)

    @property
    def grid(self) -> Size:
        return self.embeddings.grid


@dataclass(frozen=True, slots=True)
class Learned:
    """`values` (images, k): the model's part of each image's descriptor, held out; and what the graph needs of it.

    `overlap` is the held-out mean overlap with the masks, where masks were learned from.
    """

    values: npt.NDArray[np.float64]
    bank: MemoryBank | None = None
    head: graph.DenseLayers | None = None
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
        """Deterministic for a problem and its seed. Memory is bounded; time is linear in the images."""
        ...
