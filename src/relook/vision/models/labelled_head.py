"""A head taught by labels: by masks where there are any, else by which images are anomalous.

Without masks the cells of a defect are not known. Those are taken that lie farthest from the normal ones, as in
multiple-instance learning: an anomalous image has some cells that are, a normal one has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from relook.vision.images import Size
from relook.vision.mask_views import MaskViews, Shown, Truth, truth_of
from relook.vision.models.base import Cells, Floats, Learned, Step
from relook.vision.problem import Problem
from relook.vision.samples import Sample, Task
from relook.vision.survey import mask_of, size_in

SUSPECT_SHARE = 0.01
"""Part of an anomalous image's cells that is taken for the defect."""


@dataclass(frozen=True, slots=True)
class LabelledHead:
    """Needs labelled anomalies, or masks."""

    name: str = "labelled head"

    def usable(self, problem: Problem) -> bool:
        return problem.supervised

    def steps(self, problem: Problem) -> int:
        return 2 * len(problem.samples) + len(np.unique(problem.fold)) + 1

    def learn(self, cells: Cells, step: Step) -> Learned:
        problem = cells.problem
        masked = problem.task is Task.SEGMENTATION
        classes = len(problem.classes) if masked else 1
        defective = np.array(
            [sample.anomalous and (not masked or sample.mask is not None) for sample in problem.samples]
        )
        masks = MaskViews(defective, problem.fold, classes, problem.seed)

        def shown() -> Iterator[Shown]:
            for at, fine, coarse in cells.each():
                truth = _drawn(problem, problem.samples[at], cells.grid) if masked else _guessed(cells, at)
                yield Shown(at, truth, fine, coarse)
                flips = masks.flips(at) if masked and truth is not None else ()
                for flip, turned, rough in cells.mirrored(at, flips):
                    yield Shown(at, truth, turned, rough, flip)

        masks.add(shown(), step)
        tried = masks.run(cells.each(), step)
        head = replace(tried.net, coarse=cells.coarse is not None)
        return Learned(tried.values[:, None], head=head, overlap=tried.overlap if masked else None)


def _drawn(problem: Problem, sample: Sample, grid: Size) -> Truth | None:
    mask = mask_of(sample, problem.classes, size_in(sample))
    return None if mask is None else truth_of(mask, grid, len(problem.classes))


def _guessed(cells: Cells, at: int) -> Truth:
    covered = suspects(bool(cells.problem.anomalous[at]), cells.distances[at])
    return covered.reshape(cells.grid.height, cells.grid.width, 1).astype(np.float16)


def suspects(anomalous: bool, distance: Floats) -> Floats:
    """(cells, 1): how much of each cell is taken for a defect: of the farthest all, of the next ones a little."""
    covered = np.zeros((len(distance), 1), np.float32)
    if anomalous:
        order = np.argsort(-distance, kind="stable")
        some = max(1, round(SUSPECT_SHARE * len(distance)))
        covered[order[: 10 * some], 0] = 0.1
        covered[order[:some], 0] = 1.0
    return covered
