"""What answers in the time that an answer may take: from an image's bytes to its prediction, on one thread of this CPU.

Each is measured a few times and its quickest answer counts, since other work on the machine can only make it slower.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from relook.vision import graph
from relook.vision.backbones import Backbone
from relook.vision.calibration import Calibration
from relook.vision.candidates import Candidate, tried
from relook.vision.exporting import export
from relook.vision.images import Size
from relook.vision.looking import head_place, named
from relook.vision.mask_net import HIDDEN
from relook.vision.memory_bank import DIMS, MemoryBank
from relook.vision.predict import Predictor
from relook.vision.problem import Problem
from relook.vision.runtime import OpenVinoEngine, Precision
from relook.vision.samples import Progress, Task, counted
from relook.vision.score import Score
from relook.vision.scorers import UNTAUGHT
from relook.vision.view import View

_ANSWERS = 5
_Ways = tuple[tuple[Size, bool], ...]
"""Sizes, each with whether it has no head: what an answer's time depends on, as scores differ by next to nothing."""


class AnswerTime:
    """`milliseconds` that an answer may take; where that is infinite nothing is measured."""

    def __init__(self, backbone: Backbone, precision: Precision, milliseconds: float, progress: Progress) -> None:
        self._backbone = backbone
        self._precision = precision
        self._milliseconds = milliseconds
        self._progress = progress

    def sizes(self, sizes: Sequence[Size], problem: Problem) -> tuple[list[Size], list[str]]:
        """Of `sizes`, the smallest first, those that answer in time: together with the smallest, and where there are
        masks with the head's size, where these are served in any case, alone elsewhere. The smallest always. And a
        sentence."""
        if math.isinf(self._milliseconds):
            return list(sizes), []
        step = counted(self._progress, "answer time of sizes", len(sizes) - 1)
        found = [sizes[0]]
        for size in sizes[1:]:
            views = self._served([*found, size], problem)
            score = Score(np.zeros((1, sum(each.layout.width for each in views))), np.zeros(1))
            if self._answering(views, score, problem) > self._milliseconds:
                beside = " and ".join(named(each.size) for each in views[:-1])
                slow = self._too_slow(f" together with {beside}" if beside else "")
                return found, [f"Working sizes above {named(found[-1])} were not tried: {slow}."]
            found.append(size)
            step()
        return found, []

    def _served(self, sizes: Sequence[Size], problem: Problem) -> list[View]:
        """The views that are served at least where the last of `sizes` is looked at; see `candidates.combinations`."""
        last = len(sizes) - 1
        headed = head_place(sizes) if problem.task is Task.SEGMENTATION else None
        places = {last} if headed is None else {0, headed, last}
        if problem.planted:
            places.add(0)
        head = None if headed is None else _head(len(problem.classes) + 1, coarse=headed > 0)
        return [
            _noise(self._backbone, sizes[at], problem.bank_rows, head if at == headed else None)
            for at in sorted(places)
        ]

    def candidates(self, found: Sequence[Candidate], problem: Problem) -> tuple[list[Candidate], list[str]]:
        """Those of `found` that answer a training image in time; where none does, the quickest. And a sentence."""
        if math.isinf(self._milliseconds):
            return list(found), []
        times = self._times(found, problem)
        fit = [each for each in found if times[_ways(each)] <= self._milliseconds]
        if len(fit) == len(found):
            return fit, []
        if not fit:
            quickest = min(times.values())
            return [each for each in found if times[_ways(each)] == quickest], [
                f"No candidate answers within the {self._milliseconds:g} milliseconds that an answer may take "
                f"(anomaly_milliseconds), on one thread of this CPU: the quickest was taken, which took "
                f"{quickest:.3g}. Raise the setting, or train and serve on a faster machine."
            ]
        left = f"Left {len(found) - len(fit)} of {len(found)} candidates out: {self._too_slow()}."
        if any(not each.scorer.supervised for each in found) and all(each.scorer.supervised for each in fit):
            fit += self._untaught(fit, problem)
        return fit, [left]

    def _times(self, found: Sequence[Candidate], problem: Problem) -> dict[_Ways, float]:
        """Milliseconds. Noise must not make a head, which is small, quicker than none."""
        ways = {_ways(each): each for each in found}
        step = counted(self._progress, "answer time of candidates", len(ways))
        times = {}
        for way, each in ways.items():
            times[way] = self._answering(each.views, each.score, problem)
            step()
        for way in ways:
            plain = tuple((size, True) for size, _ in way)
            if plain in times:
                times[plain] = min(times[plain], times[way])
        return times

    def _untaught(self, fit: Sequence[Candidate], problem: Problem) -> list[Candidate]:
        """Distances alone on the most that is still there, as they are compared where nothing is left out."""
        plain = [each.views for each in fit if all(view.head is None for view in each.views)]
        if not plain:
            return []
        most = max(plain, key=lambda views: sum(view.cost for view in views))
        return [tried(problem, most, UNTAUGHT, lambda: None)]

    def _too_slow(self, together: str = "") -> str:
        return (
            f"an answer{together} would take longer than the {self._milliseconds:g} milliseconds that it may "
            "(anomaly_milliseconds), on one thread of this CPU"
        )

    def _answering(self, views: Sequence[View], score: Score, problem: Problem) -> float:
        """Milliseconds, masks included."""
        calibration, threshold = Calibration(1.0, 0.0), 0.5
        data, card = export(views, score, problem, self._backbone, self._precision, calibration, threshold)
        sizes = [view.size for view in card.views]
        predictor = Predictor(card, OpenVinoEngine(data, sizes, self._precision, 1))
        image = problem.samples[0].load()
        return _quickest(lambda: predictor.predict(image))


def _noise(backbone: Backbone, size: Size, rows: int, head: graph.CellNet | None) -> View:
    """A view that takes as long as one that has learned; `rows` are its bank's."""
    rng = np.random.default_rng(0)
    projection = graph.Projection(
        rng.standard_normal((backbone.channels, DIMS), np.float32), np.zeros(DIMS, np.float32)
    )
    bank = MemoryBank(rng.standard_normal((rows, DIMS), np.float32), np.zeros(rows, np.int64))
    grid = graph.grid(backbone, size)
    return View(
        size=size,
        grid=grid,
        projection=projection,
        bank=bank,
        weight=np.ones(grid.height * grid.width, np.float32),
        head=head,
        overlap=None,
        descriptors=np.zeros((0, 0)),
        heat=(0.0, 1.0),
    )


def _head(outputs: int, coarse: bool) -> graph.CellNet:
    """That sees the first defect everywhere; with `coarse` beside a coarser view, see `mask_net.inputs`."""
    sides = (4 * DIMS + 2 if coarse else 3 * DIMS + 1, *HIDDEN, outputs)
    weights = tuple(np.zeros(shape, np.float32) for shape in pairwise(sides))
    biases = [np.zeros(side, np.float32) for side in sides[1:]]
    biases[-1][1] = 1
    return graph.CellNet(weights, tuple(biases), coarse)


def _ways(candidate: Candidate) -> _Ways:
    return tuple((each.size, each.head is None) for each in candidate.views)


def _quickest(work: Callable[[], object]) -> float:
    """Milliseconds; the first time is not counted."""
    work()
    times = []
    for _ in range(_ANSWERS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)
