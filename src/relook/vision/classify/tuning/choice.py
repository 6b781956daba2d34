"""Whether a fine-tuned backbone serves better than the backbone as it is: decided by images held out from both."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relook.vision.backbones import Backbone
from relook.vision.classify import candidates, regression
from relook.vision.classify.budget import Budget
from relook.vision.classify.candidates import STATISTICS, Candidate
from relook.vision.classify.exporting import Head
from relook.vision.classify.problem import LabelProblem, Positions, deal
from relook.vision.classify.regression import Scaling
from relook.vision.classify.tuning import graphs
from relook.vision.classify.tuning.pictures import Pictures
from relook.vision.images import Size, working_size
from relook.vision.samples import Progress, counted

if TYPE_CHECKING:
    from relook.vision.classify.tuning.descent import Learner, Lesson

GAIN = 0.02
"""In quality: what fine-tuning must be worth on held-out images. It hangs more on chance than a linear head does."""
FEWEST = 100
"""Training images below which it is not tried: too few to learn from, and to tell from whether it helped."""
LESSONS = (900, 450, 225)
"""Steps; the most that there is time for."""
ASKED = 2
"""Folds held out, one after the other, of those that candidates are compared by."""
SMALLEST_LONG_SIDE = 128
"""Pixels: images are neither enlarged beyond it nor, where there is little time, shrunk below."""
_TIMED = 4


@dataclass(frozen=True, slots=True)
class Tuned:
    """A backbone that learned from all images, and the head that learned with it, calibrated on held-out ones."""

    backbone: Backbone
    head: Head
    size: Size
    steps: int
    threads: int
    flips: int
    """Ways to show an image: as it is, and mirrored."""
    area: float
    information: float


@dataclass(frozen=True, slots=True)
class _Quality:
    area: float
    information: float

    @property
    def mean(self) -> float:
        return (self.area + self.information) / 2


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Of a tuned backbone `now` with `chosen` before, on so many held-out images."""

    scaling: Scaling
    now: _Quality
    before: _Quality
    images: int
    chosen: str

    @property
    def better(self) -> bool:
        return self.now.mean >= self.before.mean + GAIN

    def __str__(self) -> str:
        verdict = "taken" if self.better else f"it must be better by {GAIN}, so the backbone stays as it is"
        return (
            f"quality {self.now.mean:.3f} (AUROC {self.now.area:.3f}, information {self.now.information:.3f}) on "
            f"{self.images} held-out images, where {self.chosen} has {self.before.mean:.3f}; {verdict}."
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """`problem` has all images; `part` are those that `chosen`, the best so far, was compared on. `shape` is that of
    the images."""

    problem: LabelProblem
    shape: Size
    part: Positions
    chosen: Candidate
    backbone: Backbone
    budget: Budget
    tests: int
    progress: Progress

    def run(self) -> tuple[Tuned | None, list[str]]:
        """The tuned one where it is better, and what to tell of it."""
        if self.chosen.quality > 1 - GAIN or len(self.problem.images) < FEWEST:
            return None, []
        if (reason := graphs.why_not(self.backbone)) is not None:
            return None, [f"{self.backbone.name} was not fine-tuned: {reason}."]
        if importlib.util.find_spec("torch") is None:
            return None, [NEEDS_TORCH]
        from relook.vision.torch_threads import torch_threads

        # not torch's own number, which is that to which linear algebra was limited, if torch was there already
        with torch_threads(len(os.sched_getaffinity(0))) as threads:
            each = [(pictures, self._steps(pictures)) for pictures in self._pictures()]
            pictures, steps = max(each, key=lambda one: one[1])  # of equals the first, which is larger
            if not steps:
                return None, ["There was no time to fine-tune the backbone; give the training more of it."]
            return self._tried(pictures, steps, threads)

    def _pictures(self) -> list[Pictures]:
        """At the size of the best so far, or the images' own where that is smaller; and at half of that, which leaves
        time for four times as many steps."""
        size = self.chosen.look.size
        long = min(max(size.height, size.width), max(self.shape.height, self.shape.width, SMALLEST_LONG_SIDE))
        sides = [long, long // 2] if long // 2 >= SMALLEST_LONG_SIDE else [long]
        return [Pictures(self.problem.images, working_size(size, side)) for side in sides]

    def _steps(self, pictures: Pictures) -> int:
        """How many there is time for, tried out with a few; 0 for none."""
        from relook.vision.classify.tuning.descent import BATCH, Learner

        began = time.monotonic()
        lesson = self._lesson(pictures, np.arange(min(len(self.problem.images), 2 * BATCH)))
        each = Learner(self.backbone, lesson).seconds_per_step(_TIMED)
        looking = (time.monotonic() - began) / (len(lesson.positions) + _TIMED * BATCH)
        asked = (ASKED + 1) * len(self.problem.images) * looking
        asked += self.budget.foreseen(0, pictures.size, alone=self.tests)
        return next((most for most in LESSONS if self.budget.allows((ASKED + 1) * most * each + asked)), 0)

    def _lesson(self, pictures: Pictures, positions: Positions) -> Lesson:
        from relook.vision.classify.tuning.descent import Lesson

        problem = self.problem
        return Lesson(pictures, problem.truths, positions, problem.single, self.chosen.look.flips, problem.seed)

    def _tried(self, pictures: Pictures, steps: int, threads: int) -> tuple[Tuned | None, list[str]]:
        """One held-out fold after the other, then all images; over at the first fold that is not told better."""
        fold = deal(self.problem.part(self.part), 0)
        places = np.flatnonzero(fold < ASKED)
        logits = np.empty((len(places), len(self.problem.labels)))
        how = f"Fine-tuned at {pictures.size.width}x{pictures.size.height} in {steps} steps"
        for each in range(ASKED):
            began = time.monotonic()
            held = self.part[fold == each]
            rest = np.flatnonzero(~np.isin(self.problem.copy_of, self.problem.copy_of[held]))
            logits[fold[places] == each] = self._learned(pictures, rest, steps, each).logits(held)
            told = fold[places] <= each
            found = self._compared(places[told], logits[told])
            if not found.better:
                return None, [f"{how}: {found}"]
            left = (ASKED - each) * (time.monotonic() - began)
            if not self.budget.allows(left + self.budget.foreseen(0, pictures.size, alone=self.tests)):
                return None, ["Fine-tuning the backbone took longer than foreseen, and was given up."]
        learner = self._learned(pictures, np.arange(len(self.problem.images)), steps, ASKED)
        head, flips = _head(learner.head(), found.scaling, self.problem.single), len(self.chosen.look.flips)
        now = found.now
        tuned = Tuned(learner.backbone(), head, pictures.size, steps, threads, flips, now.area, now.information)
        return tuned, [f"{how}: {found}"]

    def _learned(self, pictures: Pictures, positions: Positions, steps: int, at: int) -> Learner:
        from relook.vision.classify.tuning.descent import Learner

        learner = Learner(self.backbone, self._lesson(pictures, positions))
        learner.learn(steps, counted(self.progress, f"fine-tuning {at + 1} of {ASKED + 1}", steps))
        return learner

    def _compared(self, places: Positions, logits: npt.NDArray[np.float64]) -> _Comparison:
        """What is said of the part's images at `places`, against what the best so far says of them."""
        asked = self.problem.part(self.part[places])

        def judged(values: npt.NDArray[np.float64]) -> tuple[Scaling, _Quality]:
            scaling = regression.calibrate(values, asked.truths, asked.single)
            return scaling, _Quality(*candidates.judge(asked, values[None], scaling))

        scaling, now = judged(logits)
        return _Comparison(scaling, now, judged(self.chosen.logits[0][places])[1], len(places), str(self.chosen))


NEEDS_TORCH = (
    "The backbone was not fine-tuned, which needs PyTorch and may tell these labels apart better: pip install "
    "'relook[train]' (in a clone: make torch)."
)


def _head(learned: Sequence[npt.NDArray[np.float32]], scaling: Scaling, single: bool) -> Head:
    """With the calibration folded in."""
    mean, weight, bias = learned
    return Head(
        blocks=STATISTICS,
        groups=(),
        mean=mean,
        weight=(weight * scaling.slope).astype(np.float32),
        bias=(bias * scaling.slope + scaling.offset).astype(np.float32),
        single=single,
    )
