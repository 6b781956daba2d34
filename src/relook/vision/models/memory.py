"""The memory bank: normal patches, thinned out, and the distance from the nearest (PatchCore, Roth et al., 2022)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np

from relook.vision.descriptor import Vector, describe
from relook.vision.embeddings import remember
from relook.vision.levels import Levels
from relook.vision.memory_bank import MemoryBank
from relook.vision.models.base import Cells, Floats, Learned, Step
from relook.vision.parallel import in_order, threads
from relook.vision.problem import Positions, Problem
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
        problem, normal, turned = cells.problem, cells.problem.normal, cells.problem.turned
        images = chain(
            cells.embeddings.each(normal),
            zip((at for at, _ in turned), cells.embeddings.turned(turned), strict=True),
        )
        number = len(normal) + len(turned)
        bank = remember(stepping(images, step), number, problem.bank_rows, problem.seed, problem.source)
        cells.bank = bank
        known, some = self._known(cells, bank)
        cells.levels = Levels(np.stack(list(known.values())), problem.source[some], cells.grid, cells.weight)
        cells.weight = cells.levels.without(None)

        def judged(_: int, entry: tuple[int, Floats]) -> tuple[Floats, Vector]:
            at, embedding = entry
            others, weight = cells.others(at)
            distance = (known[at] if at in known else others.distances(embedding)) * weight
            return distance, describe(distance, others.residual(embedding, distance), None)

        described = []
        with closing(in_order(judged, cells.embeddings.each(), range(threads()))) as found:
            for distance, vector in stepping(found, step):
                cells.distances.append(distance)
                described.append(vector)
        return Learned(np.stack(described), bank=bank)

    def _known(self, cells: Cells, bank: MemoryBank) -> tuple[dict[int, Floats], Positions]:
        """The distances of some normal images, and their positions."""
        problem = cells.problem
        some = np.sort(np.random.default_rng([problem.seed, 12]).permutation(problem.normal)[:LEVELLED_FROM])

        def distances(_: int, entry: tuple[int, Floats]) -> Floats:
            at, embedding = entry
            return bank.without(int(problem.source[at])).distances(embedding)

        with closing(in_order(distances, cells.embeddings.each(some), range(threads()))) as found:
            return dict(zip(some.tolist(), found, strict=True)), some
