"""Which working sizes a training looks at: those that may be served and that there is time for, and then the chosen
ones with every image."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from relook.vision import graph, view
from relook.vision.backbones import Backbone
from relook.vision.budget import Budget
from relook.vision.candidates import Candidate, compare, repeats, tried
from relook.vision.embeddings import PROJECTED_FROM, kept
from relook.vision.images import Size
from relook.vision.models import HEADS, MEMORY, Cells, Model
from relook.vision.pace import Pace
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, Task, counted

HEAD_LONG_SIDE = 768
"""The heads learn at one size only, for they take their time: the largest no larger than this, in pixels, unless there
are but planted defects to learn from."""

_HEADS, _FITTING = 2.0, 10.0
"""What a head takes, until one has shown it: for each image, in looks; and in seconds once."""


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
        self._pace = Pace(backbone, precision)
        self._heads, self._fitting = _HEADS, _FITTING
        self._once = 0  # images that a look computes however many there are
        self._normal = 1.0  # the part of images that is
        self._trying = 0.0  # seconds, of the chosen candidate on all images

    def views(
        self, problem: Problem, sizes: Sequence[Size], later: int, tests: int
    ) -> tuple[list[view.View], list[str]]:
        """Views of `sizes`, the smallest first, and sentences on what there was no time for. `later` images will be
        learned from once more, and `tests` answered. Which ones `_places` tells."""
        places, headed = _places(sizes, problem)
        found = self._look(problem, places, headed, "candidates", (later, tests))
        return found, list(self._left_out(problem, found, sizes[-1], places[headed][0]))

    def _left_out(self, problem: Problem, found: Sequence[view.View], largest: Size, headed: Size) -> Iterator[str]:
        """What there was no time for, of the `largest` size and a head at the size `headed`."""
        last = found[-1].size
        if last != largest:
            yield (
                f"There was no time for sizes above {named(last)}: learning from larger images would not have fitted "
                f"into {self._allowed}."
            )
        head = next((each.size for each in found if each.head is not None), None)
        if head is None and (problem.supervised or problem.planted):
            yield f"There was no time to learn a head: it would not have fitted into {self._allowed}."
        elif head not in (None, last, headed):
            yield (
                f"The head was learned at {named(head)}: at {named(headed)} it would not have fitted into "
                f"{self._allowed}."
            )

    def compared(self, problem: Problem, views: Sequence[view.View], later: int) -> list[Candidate]:
        """All candidates, those of the cheapest views first; one of them will be tried on `later` images once more."""
        began = time.monotonic()
        found = compare(problem, views, self._progress)
        fits = [repeats(each.scorer) for each in found]
        self._trying = (time.monotonic() - began) * max(fits) / sum(fits) * later / len(problem.samples)
        return found

    def affordable(self, found: Sequence[Candidate], later: int, tests: int) -> tuple[list[Candidate], list[str]]:
        """Those of `found`, cheapest first, that can be learned from `later` images once more, if there are any, and
        answer the `tests` in time; at least the quickest."""
        ahead = [self._ahead(each, later, tests) for each in found]
        least = min(ahead)  # where there is no time for this either, little more is not worth a worse model
        pairs = zip(found, ahead, strict=True)
        fit = [each for each, seconds in pairs if self._budget.bears(seconds, least)]
        if len(fit) == len(found):
            return fit, []
        what = f"learning them from all {later} images" if later else f"answering {tests} test images with them"
        return fit, [
            f"Left {len(found) - len(fit)} of {len(found)} candidates out: {what} would not have fitted into "
            f"{self._allowed}."
        ]

    def again(self, chosen: Candidate, problem: Problem) -> Candidate:
        """The views and the score chosen on some of the images, learned again from all of `problem`'s."""
        headed = next((at for at, each in enumerate(chosen.views) if each.head is not None), None)
        views = self._look(problem, [[each.size] for each in chosen.views], headed, "fit", None)
        step = counted(self._progress, "fit: compare", repeats(chosen.scorer))
        return tried(problem, tuple(views), chosen.scorer, step)

    @property
    def _allowed(self) -> str:
        return f"the {self._budget.seconds / 60:.4g} minutes that a training has"

    def _ahead(self, candidate: Candidate, later: int, tests: int) -> float:
        return self._learned_and_answered(candidate.views, later, tests) + self._trying

    def _learned_and_answered(self, views: Iterable[view.View], later: int, tests: int) -> float:
        """Seconds, of what is served together."""
        ways = [(each.size, each.head is not None) for each in views]
        learning = sum(self._foreseen(later, size, head) for size, head in ways) if later else 0.0
        return learning + tests * sum(self._pace.answered(size) for size, _ in ways)

    def _foreseen(self, images: int, size: Size, head: bool, looked: bool = False) -> float:
        """Seconds of a look at so many images, unless they were `looked` at before, and of a head."""
        look = 0.0 if looked else self._computed(images, size) * self._pace.at(size)
        if not head:
            return look
        again = 2 * self._lost(images, size)  # a head goes over the images twice
        return look + (images * self._heads + again) * self._pace.at(size) + self._fitting

    def _computed(self, images: int, size: Size) -> int:
        """How many images a look computes: normal ones that cannot be kept twice."""
        return images + self._lost(round(self._normal * images), size) + self._once

    def _lost(self, images: int, size: Size) -> int:
        """How many of them cannot be kept."""
        return max(0, images - kept(graph.grid(self._backbone, size)))

    def _fits(
        self,
        problem: Problem,
        size: Size,
        head: bool,
        beside: Sequence[view.View],
        ahead: tuple[int, int],
        looked: bool = False,
    ) -> bool:
        """Whether there is time to look at `size`, unless that is done, and to learn and to answer with it and what is
        served `beside`."""
        if math.isinf(self._budget.seconds):
            return True
        if not self._budget.allows(0.0):
            return False
        later, tests = ahead

        def allowed() -> bool:
            now = self._foreseen(len(problem.samples), size, head, looked) + tests * self._pace.answered(size)
            again = self._foreseen(later, size, head) if later else 0.0
            others = [each for each in beside if each.size != size]
            return self._budget.allows(now + again + self._learned_and_answered(others, later, tests))

        if self._pace.known and allowed():
            return True
        for each in {size, *(other.size for other in beside if tests or later)}:
            if not self._pace.probed(each):
                self._pace.probe(problem, each)
        return allowed()

    def _look(
        self,
        problem: Problem,
        places: Sequence[Sequence[Size]],
        headed: int | None,
        stage: str,
        ahead: tuple[int, int] | None,
    ) -> list[view.View]:
        """One view for each of `places`, the first always: of its sizes the first that fits. None of them ends it.
        `ahead` are images to be learned from later and to be answered; without, everything fits.

        The head is learned at the place `headed`. Where it does not fit, or it ends before, it is at the largest before
        that it fits at; masks need one somewhere.
        """
        self._once = len(problem.turned) + min(PROJECTED_FROM, len(problem.normal))
        self._normal = len(problem.normal) / len(problem.samples)
        head = None if headed is None else next((model for model in HEADS if model.usable(problem)), None)
        due = len(places) * MEMORY.steps(problem) + (0 if head is None else head.steps(problem))
        steps = _Steps(self._progress, stage, due)
        masks = problem.task is Task.SEGMENTATION
        found: list[view.View] = []
        coarse: Cells | None = None

        def fits(size: Size, head: bool, looked: bool = False) -> bool:
            beside = found if masks else found[:1]
            return ahead is None or self._fits(problem, size, head, beside, ahead, looked)

        for at, sizes in enumerate(places):
            size = next((size for size in sizes if not found or fits(size, masks and at == headed)), None)
            if size is None:
                break
            one, cells = self._timed(problem, size, coarse, steps.one)
            found.append(one)
            if head is not None and at == headed and (masks or fits(size, head=True, looked=True)):
                found[at], head = self._taught(one, cells, head, steps.one), None
            coarse = None if head is None else coarse or cells
            del cells  # or this size's would lie beside the next one's
        if head is not None and headed is not None:
            before = reversed(range(min(headed, len(found))))
            place = next((at for at in before if masks or fits(found[at].size, head=True, looked=at == 0)), None)
            if place is not None:
                one, own = found[0], coarse  # the cells of the first are still there
                if place > 0:
                    one, own = self._timed(problem, found[place].size, coarse, steps.same)
                assert own is not None
                found[place] = self._taught(one, own, head, steps.one)
        steps.finish()
        return found

    def _timed(
        self, problem: Problem, size: Size, coarse: Cells | None, step: Callable[[], None]
    ) -> tuple[view.View, Cells]:
        began = time.monotonic()
        found = view.look(problem, self._backbone, size, self._precision, self._where, coarse, step)
        self._pace.learned(size, self._computed(len(problem.samples), size), time.monotonic() - began)
        return found

    def _taught(self, plain: view.View, cells: Cells, head: Model, step: Callable[[], None]) -> view.View:
        images = len(plain.descriptors)
        times = [time.monotonic()]

        def timed() -> None:
            step()
            times.append(time.monotonic())

        found = view.taught(plain, cells, head, timed)
        first, second = times[images] - times[0], times[-1] - times[-1 - images]  # passes over the images; fits between
        passes = (first + second) / self._pace.at(plain.size)
        self._heads = max(0.0, passes - 2 * self._lost(images, plain.size)) / images
        self._fitting = times[-1] - times[0] - first - second
        return found


class _Steps:
    """As `counted`, for what may end early or be done in part once more."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self._progress, self._stage, self._total = progress, stage, total
        self._done = 0

    def one(self) -> None:
        self._done = min(self._done + 1, self._total)
        self._progress(self._stage, self._done, self._total)

    def same(self) -> None:
        """What was counted before."""
        self._progress(self._stage, self._done, self._total)

    def finish(self) -> None:
        if self._done < self._total:
            self._progress(self._stage, self._total, self._total)


def named(size: Size) -> str:
    return f"{size.width}x{size.height}"


def head_place(sizes: Sequence[Size]) -> int:
    """The place of the largest of `sizes`, the smallest first, that a head learns at; see HEAD_LONG_SIDE."""
    return max(at for at, size in enumerate(sizes) if at == 0 or max(size.height, size.width) <= HEAD_LONG_SIDE)


def _places(sizes: Sequence[Size], problem: Problem) -> tuple[list[Sequence[Size]], int]:
    """What may be served of `sizes`, the smallest first, each with what else to take where there is no time for it; and
    the place of the heads.

    That follows from `candidates`: with masks the smallest, the heads' and the largest size; with planted defects the
    smallest and the largest, where the heads are learned, too; with labels each size.
    """
    headed = head_place(sizes)
    if problem.planted:
        parts = [sizes[:1], sizes[:0:-1]]
        return [part for part in parts if part], min(1, len(sizes) - 1)
    if problem.task is Task.SEGMENTATION:
        parts = [sizes[:1], sizes[headed:0:-1], sizes[:headed:-1]]
        return [part for part in parts if part], min(1, headed)
    return [[size] for size in sizes], headed
