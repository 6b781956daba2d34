"""A head taught by labels: by masks where there are any, else by which images are anomalous.

Without masks the cells of a defect are not known. Those are taken that lie farthest from the normal ones, as in
multiple-instance learning: an anomalous image has some cells that are, a normal one has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relook.vision.mask_trial import MaskCells
from relook.vision.models.base import Cells, Floats, Learned, Step
from relook.vision.problem import Problem
from relook.vision.samples import DefectClass, Task

SUSPECT_SHARE = 0.01
"""Part of an anomalous image's cells that is taken for the defect."""
_DEFECT = DefectClass("defect", "#FF0000")


@dataclass(frozen=True, slots=True)
class LabelledHead:
    """Needs labelled anomalies."""

    name: str = "labelled head"

    def usable(self, problem: Problem) -> bool:
        return problem.supervised

    def steps(self, problem: Problem) -> int:
        return len(problem.samples) + len(np.unique(problem.fold))

    def learn(self, cells: Cells, step: Step) -> Learned:
        problem = cells.problem
        masked = problem.task is Task.SEGMENTATION
        classes = problem.classes if masked else (_DEFECT,)
        masks = MaskCells(problem.samples, classes, problem.fold, problem.seed, None if masked else suspects)
        for at, embedding in cells.embeddings.each():
            masks.add(at, embedding, cells.distances[at], cells.grid)
        tried = masks.run(cells.embeddings, step)
        return Learned(tried.values[:, None], head=tried.head, overlap=tried.overlap if masked else None)


def suspects(anomalous: bool, distance: Floats) -> Floats:
    """(cells, 1): how much of each cell is taken for a defect; cells in doubt are left out by a middling share."""
    covered = np.zeros((len(distance), 1), np.float32)
    if anomalous:
        order = np.argsort(-distance, kind="stable")
        some = max(1, round(SUSPECT_SHARE * len(distance)))
        covered[order[: 10 * some], 0] = 0.1
        covered[order[:some], 0] = 1.0
    return covered
