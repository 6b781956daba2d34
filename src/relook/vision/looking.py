"""Which working sizes a training looks at: those that may be served and that there is time for, and then the chosen
ones with every image."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from relook.vision import graph, view
from relook.vision.backbones import Backbone
from relook.vision.budget import Budget
from relook.vision.candidates import Candidate, compare, repeats, tried
from relook.vision.embeddings import kept
from relook.vision.images import Size
from relook.vision.models import MODELS, Cells, Model
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, Task, counted

HEAD_LONG_SIDE = 768
"""The heads learn at one size only, for they take their time: the largest no larger than this, in pixels, unless there
are but planted defects to learn from."""

_HEADS = 3.0
"""How much longer a look takes with heads, until one has shown it."""


class Looking:
    """The looks of one training: with its weights, and within its time."""

    def __init__(
        self,
        backbone: Backbone,
        precision: Precision,
        where: npt.NDArray[np.float32] | None,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self._backbone = backbone
        self._precision = precision
        self._where = where
        self._budget = budget
        self._progress = progress
        self._heads = _HEADS
        self._copies = 0
        self._trying = 0.0  # seconds, of the chosen candidate on all images

    def views(
        self, problem: Problem, sizes: Sequence[Size], later: int, tests: int
    ) -> tuple[list[view.View], list[str]]:
        """Views of `sizes`, the smallest first, and sentences on what there was no time for. `later` images will be
        learned from once more, and `tests` answered. Which ones `_places` tells."""
        many = len(problem.samples) + later
        places, headed = _places(sizes, problem)

        def fits(at: int, size: Size) -> bool:
            return self._budget.allows(self._foreseen(many, size, tests, at == headed and not problem.planted))

        def heads_fit(size: Size) -> bool:
            return self._budget.allows(self._foreseen(many, size, tests, heads=True))

        found = self._look(problem, places, headed, "candidates", fits, heads_fit)
        return found, list(self._left_out(problem, found, sizes[-1], places[headed][0]))

    def _left_out(self, problem: Problem, found: Sequence[view.View], largest: Size, headed: Size) -> Iterator[str]:
        """What there was no time for, of the `largest` size and a head at the size `headed`."""
        last = found[-1].size
        if last != largest:
            yield (
                f"There was no time for sizes above {_named(last)}: learning from larger images would not have fitted "
                f"into {self._allowed}."
            )
        head = next((each.size for each in found if each.head is not None), None)
        if head is None and (problem.supervised or problem.planted):
            yield f"There was no time to learn a head: it would not have fitted into {self._allowed}."
        elif head not in (None, last, headed):
            yield (
                f"The head was learned at {_named(head)}: at {_named(headed)} it would not have fitted into "
                f"{self._allowed}."
            )

    def compared(self, problem: Problem, views: Sequence[view.View], later: int) -> list[Candidate]:
        """All candidates, those of the cheapest views first; one of them will be tried on `later` images once more."""
        began = time.monotonic()
        found = compare(problem, views, self._progress)
        self._trying = (time.monotonic() - began) / len(found) * later / len(problem.samples)
        return found

    def affordable(self, found: Sequence[Candidate], images: int, tests: int) -> tuple[list[Candidate], list[str]]:
        """Those of `found`, cheapest first, that can be learned once more from `images` in time; at least those of the
        first one's views."""
        fit = [each for each in found if self._budget.allows(self._again(each, images, tests))]
        fit = fit or [each for each in found if each.views is found[0].views]
        if len(fit) == len(found):
            return fit, []
        return fit, [
            f"Left {len(found) - len(fit)} of {len(found)} candidates out: learning them from all {images} images "
            f"would not have fitted into {self._allowed}."
        ]

    def again(self, chosen: Candidate, problem: Problem) -> Candidate:
        """The views and the score chosen on some of the images, learned again from all of `problem`'s."""
        headed = next((at for at, each in enumerate(chosen.views) if each.head is not None), None)
        places = [[each.size] for each in chosen.views]
        views = self._look(problem, places, headed, "fit", lambda at, size: True, lambda size: True)
        step = counted(self._progress, "compare", repeats(chosen.scorer))
        return tried(problem, tuple(views), chosen.scorer, step)

    @property
    def _allowed(self) -> str:
        return f"the {self._budget.seconds / 60:.4g} minutes that a training has"

    def _again(self, candidate: Candidate, images: int, tests: int) -> float:
        looks = sum(self._foreseen(images, each.size, tests, each.head is not None) for each in candidate.views)
        return looks + self._trying

    def _foreseen(self, images: int, size: Size, tests: int, heads: bool) -> float:
        return self._budget.foreseen(self._computed(images, size), size, alone=tests) * (self._heads if heads else 1.0)

    def _computed(self, images: int, size: Size) -> int:
        """How many images a look without heads computes: those that cannot be kept twice."""
        return images * (1 if kept(images, graph.grid(self._backbone, size)) else 2) + self._copies

    def _look(
        self,
        problem: Problem,
        places: Sequence[Sequence[Size]],
        headed: int | None,
        stage: str,
        fits: Callable[[int, Size], bool],
        heads_fit: Callable[[Size], bool],
    ) -> list[view.View]:
        """One view for each of `places`, the first always: of its sizes the first that fits. None of them ends it.

        The heads are learned at the place `headed`; with planted defects, which hardly ever choose them, if they fit.
        Where it ends before, the last size is looked at again for them, if there are masks to learn or labels and they
        fit."""
        usable = [model for model in MODELS if model.usable(problem)]
        models = [usable if at == headed else usable[:1] for at in range(len(places))]
        step = counted(self._progress, stage, sum(view.steps(problem, each) for each in models))
        found: list[view.View] = []
        coarse: Cells | None = None
        for at, (sizes, each) in enumerate(zip(places, models, strict=True)):
            size = next((size for size in sizes if not found or fits(at, size)), None)
            if size is None:
                break
            if problem.planted and at == headed and found and not heads_fit(size):
                each = usable[:1]
            one, cells = self._timed(problem, size, each, coarse, step)
            found.append(one)
            coarse = coarse or cells
            del cells  # or this size's would lie beside the next one's
        masks = problem.task is Task.SEGMENTATION
        again = masks or (problem.supervised and heads_fit(found[-1].size))
        if headed is not None and len(found) <= headed and again:
            found[-1] = self._timed(problem, found[-1].size, usable, coarse if len(found) > 1 else None, step)[0]
        return found

    def _timed(
        self, problem: Problem, size: Size, models: Sequence[Model], coarse: Cells | None, step: Callable[[], None]
    ) -> tuple[view.View, Cells]:
        began = time.monotonic()
        found = view.look(problem, self._backbone, size, self._precision, self._where, models, coarse, step)
        self._copies = len(problem.turned)  # no more of them for more images
        seconds, images = time.monotonic() - began, self._computed(len(problem.samples), size)
        if len(models) == 1:
            self._budget.learned(images, size, seconds)
        elif plain := self._budget.foreseen(images, size):
            self._heads = max(1.0, seconds / plain)
        else:
            self._budget.learned(images, size, seconds / self._heads)
        return found


def _named(size: Size) -> str:
    return f"{size.width}x{size.height}"


def _places(sizes: Sequence[Size], problem: Problem) -> tuple[list[Sequence[Size]], int]:
    """What may be served of `sizes`, the smallest first, each with what else to take where there is no time for it; and
    the place of the heads.

    That follows from `candidates`: with masks the smallest, the heads' and the largest size; with planted defects the
    smallest and the largest, where the heads are learned, too; with labels each size.
    """
    headed = max(at for at, size in enumerate(sizes) if at == 0 or max(size.height, size.width) <= HEAD_LONG_SIDE)
    if problem.planted:
        parts = [sizes[:1], sizes[:0:-1]]
        return [part for part in parts if part], min(1, len(sizes) - 1)
    if problem.task is Task.SEGMENTATION:
        parts = [sizes[:1], sizes[headed:0:-1], sizes[:headed:-1]]
        return [part for part in parts if part], min(1, headed)
    return [[size] for size in sizes], headed
