"""A head taught by defects that are planted into normal images, for when nobody has labelled any.

After DRAEM (Zavrtanik et al., 2021) and SuperSimpleNet (Rolih et al., 2024), on the features of the backbone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from relook.vision.mask_views import MaskViews, Shown, truth_of
from relook.vision.models.base import Cells, Learned, Step
from relook.vision.planted import PLANTED
from relook.vision.problem import Problem
from relook.vision.survey import mask_of, size_in

_STEPS = 600
"""A quarter of a labelled head's: planted defects are told as well after them (`candidates` compares the heads)."""


@dataclass(frozen=True, slots=True)
class SyntheticHead:
    """Needs normal images alone; the problem must have been given planted defects."""

    name: str = "synthetic head"

    def usable(self, problem: Problem) -> bool:
        return problem.planted

    def steps(self, problem: Problem) -> int:
        return 2 * len(problem.samples) + len(np.unique(problem.fold)) + 1

    def learn(self, cells: Cells, step: Step) -> Learned:
        problem = cells.problem
        masks = MaskViews(problem.anomalous, problem.fold, 1, problem.seed)

        def shown() -> Iterator[Shown]:
            for at, fine, coarse in cells.each():
                sample = problem.samples[at]
                mask = mask_of(sample, (PLANTED,), size_in(sample))
                assert mask is not None
                yield Shown(at, truth_of(mask, cells.grid, 1), fine, coarse)

        masks.add(shown(), step)
        tried = masks.run(cells.each(), step, _STEPS)
        return Learned(tried.values[:, None], head=replace(tried.net, coarse=cells.coarse is not None))
