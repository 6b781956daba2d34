"""The memory bank: normal patches, thinned out, and the distance from the nearest (PatchCore, Roth et al., 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from relook.vision.descriptor import describe
from relook.vision.embeddings import remember
from relook.vision.levels import Levels
from relook.vision.memory_bank import MemoryBank
from relook.vision.models.base import Cells, Learned, Step
from relook.vision.problem import Problem
from relook.vision.samples import stepping

LEVELLED_FROM = 40
"""Normal images whose distances say how much a place varies."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Needs normal images alone."""

    name: str = "memory bank"

    def usable(self, problem: Problem) -> bool:
        return len(problem.normal) >= 2

    def steps(self, problem: Problem) -> int:
        return len(problem.normal) + len(problem.turned) + len(problem.samples)

    def learn(self, cells: Cells, step: Step) -> Learned:
        problem = cells.problem
        normal = problem.normal
        turned = problem.turned
        images = chain(
            cells.embeddings.each(normal),
            zip((at for at, _ in turned), cells.embeddings.turned(turned), strict=True),
        )
        number = len(normal) + len(turned)
        bank = remember(stepping(images, step), number, problem.bank_rows, problem.seed, problem.source)
        cells.bank = bank
        some = np.sort(np.random.default_rng([problem.seed, 12]).permutation(normal)[:LEVELLED_FROM])
        known = {at: self._others(cells, at).distances(each) for at, each in cells.embeddings.each(some)}
        levels = Levels(np.stack(list(known.values())), problem.source[some], cells.grid, cells.weight)
        cells.levels, cells.weight = levels, levels.without(None)
        described = []
        for at, embedding in stepping(cells.embeddings.each(), step):
            others = self._others(cells, at)
            distance = known.pop(at) if at in known else others.distances(embedding)
            distance = distance * levels.without(int(problem.source[at]))
            described.append(describe(distance, others.residual(embedding, distance), None))
            cells.distances.append(distance)
        return Learned(np.stack(described), bank=bank)

    def _others(self, cells: Cells, at: int) -> MemoryBank:
        assert cells.bank is not None
        return cells.bank.without(int(cells.problem.source[at]))
