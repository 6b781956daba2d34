"""The memory bank: normal patches, thinned out, and the distance from the nearest (PatchCore, Roth et al., 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from relook.vision.descriptor import describe
from relook.vision.embeddings import remember
from relook.vision.models.base import Cells, Floats, Learned, Step
from relook.vision.problem import Problem


@dataclass(frozen=True, slots=True)
class Memory:
    """Needs normal images alone."""

    name: str = "memory bank"

    def usable(self, problem: Problem) -> bool:
        return len(problem.normal) >= 2

    def steps(self, problem: Problem) -> int:
        return len(problem.normal) + len(problem.samples)

    def learn(self, cells: Cells, step: Step) -> Learned:
        problem = cells.problem
        normal = problem.normal
        images = _stepping(cells.embeddings.each(normal), step)
        bank = remember(images, len(normal), problem.bank_rows, problem.seed, problem.source)
        cells.bank = bank
        described = []
        for at, embedding in _stepping(cells.embeddings.each(), step):
            distance, residual = bank.without(int(problem.source[at])).nearest(embedding, cells.weight)
            described.append(describe(distance, residual, None))
            cells.distances.append(distance)
        return Learned(np.stack(described), bank=bank)


def _stepping(images: Iterator[tuple[int, Floats]], step: Step) -> Iterator[tuple[int, Floats]]:
    for entry in images:
        yield entry
        step()
