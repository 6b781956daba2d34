"""A head taught by defects that are planted into normal images, for when nobody has labelled any.

After DRAEM (Zavrtanik et al., 2021) and SuperSimpleNet (Rolih et al., 2024), on the features of the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relook.vision.mask_trial import MaskCells
from relook.vision.models.base import Cells, Learned, Step
from relook.vision.planted import PLANTED
from relook.vision.problem import Problem


@dataclass(frozen=True, slots=True)
class SyntheticHead:
    """Needs normal images alone; the problem must have been given planted defects."""

    name: str = "synthetic head"

    def usable(self, problem: Problem) -> bool:
        return problem.planted

    def steps(self, problem: Problem) -> int:
        return len(problem.samples) + len(np.unique(problem.fold))

    def learn(self, cells: Cells, step: Step) -> Learned:
        problem = cells.problem
        masks = MaskCells(problem.samples, (PLANTED,), problem.fold, problem.seed)
        for at, embedding in cells.embeddings.each():
            masks.add(at, embedding, cells.distances[at], cells.grid)
        tried = masks.run(cells.embeddings, step)
        return Learned(tried.values[:, None], head=tried.head)
