"""Which working sizes a training looks at: all that there is time for, and then the chosen ones with every image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

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
"""The heads learn at one size only, for they take their time: the largest no larger than this, in pixels."""


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
        """One view for each of `sizes`, the smallest first, as far as there is time, and sentences on what there was
        none for. `later` images will be learned from once more, and `tests` answered."""

        headed = max(at for at, size in enumerate(sizes) if at == 0 or max(size.height, size.width) <= HEAD_LONG_SIDE)

        def fits(at: int) -> bool:
            """With heads where they are due, or at least, where masks need one, with one at this size in the end."""
            heads = at == headed or (at < headed and problem.task is Task.SEGMENTATION)
            return self._budget.allows(self._foreseen(len(problem.samples) + later, sizes[at], tests, heads))

        def heads_fit(at: int) -> bool:
            """Looked at again, with heads, in place of the size that heads were due at."""
            return problem.supervised and self._budget.allows(
                self._foreseen(len(problem.samples) + later, sizes[at], tests, heads=True)
            )

        found = self._look(problem, sizes, headed, "candidates", fits, heads_fit)
        if len(found) == len(sizes):
            return found, []
        last = found[-1].size
        return found, [
            f"There was no time for sizes above {last.width}x{last.height}: learning from larger images would not have "
            f"fitted into {self._allowed}."
        ]

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
        views = self._look(
            problem, [each.size for each in chosen.views], headed, "fit", lambda at: True, lambda at: True
        )
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
        sizes: Sequence[Size],
        headed: int | None,
        stage: str,
        fits: Callable[[int], bool],
        heads_fit: Callable[[int], bool],
    ) -> list[view.View]:
        """The first always, then while the next one `fits`. Where that ends it before `headed`, the last one is looked
        at again for heads, if there are masks to learn or these fit."""
        usable = [model for model in MODELS if model.usable(problem)]
        models = [usable if at == headed else usable[:1] for at in range(len(sizes))]
        step = counted(self._progress, stage, sum(view.steps(problem, each) for each in models))
        found: list[view.View] = []
        coarse: Cells | None = None
        for at, (size, each) in enumerate(zip(sizes, models, strict=True)):
            if found and not fits(at):
                break
            one, cells = self._timed(problem, size, each, coarse, step)
            found.append(one)
            coarse = coarse or cells
            del cells  # or this size's would lie beside the next one's
        masks = problem.task is Task.SEGMENTATION
        if headed is not None and len(found) <= headed and (masks or heads_fit(len(found) - 1)):
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
