"""Whether a fine-tuned backbone serves better than the backbone as it is: decided by images held out from both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relook.vision import torch_there
from relook.vision.backbones import Backbone
from relook.vision.budget import Budget
from relook.vision.classify import candidates, regression
from relook.vision.classify.candidates import STATISTICS, Candidate
from relook.vision.classify.exporting import Head
from relook.vision.classify.looking import Look
from relook.vision.classify.problem import LabelProblem, Positions, deal
from relook.vision.classify.regression import Scaling
from relook.vision.classify.tuning import graphs
from relook.vision.classify.tuning.pictures import Pictures
from relook.vision.images import Size, working_size
from relook.vision.runtime import Precision
from relook.vision.samples import Progress, counted

if TYPE_CHECKING:
    from relook.vision.classify.tuning.descent import Learner

GAIN = 0.02
"""In quality: what fine-tuning must be worth on held-out images. It hangs more on chance than a linear head does."""
FEWEST = 100
"""Training images that tell something when held out, below which it is not tried: too few to learn from, and to tell
from whether it helped."""
LESSONS = (900, 450, 225)
"""Steps; the most that there is time for."""
ASKED = 2
"""Folds that are held out, one after the other."""
MOST_ASKED = 400
"""Images of a fold that are asked, at most."""
SMALLEST_LONG_SIDE = 128
"""Pixels: images are neither enlarged beyond it nor, where there is little time, shrunk below."""
_TIMED = 3

NEEDS_TORCH = (
    "The backbone was not fine-tuned, which needs PyTorch and may tell these labels apart better: pip install "
    "'relook[train]' (in a clone: make torch)."
)
_NO_TIME = "There was no time to fine-tune the backbone; give the training more of it."
_TOO_LONG = "Fine-tuning the backbone took longer than foreseen, and was given up."


class _OutOfTimeError(Exception):
    """What is left is needed for the test images."""


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
    """`chosen` is the best so far, `seen` what was looked at of all images of `problem` for it, and `shape` theirs;
    `answering` the test images takes so many seconds, `fitting` a head from all images so many at most."""

    problem: LabelProblem
    shape: Size
    chosen: Candidate
    seen: Look
    backbone: Backbone
    precision: Precision
    budget: Budget
    answering: float
    fitting: float

    def run(self, progress: Progress) -> tuple[Tuned | None, list[str]]:
        """The tuned one where it is better, and what to tell of it."""
        if self.chosen.quality > 1 - GAIN or len(self.problem.judged) < FEWEST:
            return None, []
        if (reason := graphs.why_not(self.backbone)) is not None:
            return None, [f"{self.backbone.name} was not fine-tuned: {reason}."]
        if not torch_there.installed():
            return None, [NEEDS_TORCH]
        if (why := torch_there.fault()) is not None:
            return None, [f"The backbone was not fine-tuned: PyTorch is installed, but cannot be loaded ({why})."]
        from relook.vision.torch_threads import torch_threads

        with torch_threads(None) as threads:
            try:
                return self._tried(progress, threads)
            except _OutOfTimeError:
                return None, [_TOO_LONG]
            except (MemoryError, RuntimeError) as error:  # torch's above all; without it there is a good model
                return None, [
                    f"Fine-tuning the backbone failed, and was given up: {str(error) or type(error).__name__}"
                ]

    def _tried(self, progress: Progress, threads: int) -> tuple[Tuned | None, list[str]]:
        """One held-out fold after the other, then all images; over at the first fold that is not told better."""
        sizes = self._sizes()
        steps, size = self._planned(sizes) if self._allows(0.0) else (0, sizes[0])
        if not steps:
            return None, [_NO_TIME]
        pictures = Pictures(self.problem.images, size)
        fold, held, logits = deal(self.problem, 0), np.empty(0, np.int64), np.empty((0, len(self.problem.labels)))
        how = f"Fine-tuned at {size.width}x{size.height} in {steps} steps"
        before = logits
        for each in range(ASKED):
            stage = counted(progress, f"fine-tuning {each + 1} of {ASKED + 1}", steps)
            rest, asked = np.flatnonzero(fold != each), self._some(np.flatnonzero(fold == each))
            logits = np.concatenate([logits, self._learned(pictures, rest, steps, stage).logits(asked)])
            before = np.concatenate([before, self._as_it_is(rest, asked)])
            held = np.concatenate([held, asked])
            found = self._compared(held, logits, before)
            if not found.better:
                return None, [f"{how}: {found}"]
        stage = counted(progress, f"fine-tuning {ASKED + 1} of {ASKED + 1}", steps)
        learner = self._learned(pictures, np.arange(len(self.problem.images)), steps, stage)
        head, now = _head(learner.head(), found.scaling, self.problem.single), found.now
        tuned = Tuned(learner.backbone(), head, size, steps, threads, len(self.seen.flips), now.area, now.information)
        return tuned, [f"{how}: {found}"]

    def _sizes(self) -> list[Size]:
        """That of the best so far, or the images' own where that is smaller; and half of that, which leaves time for
        four times as many steps."""
        size = self.chosen.look.size
        long = min(max(size.height, size.width), max(self.shape.height, self.shape.width, SMALLEST_LONG_SIDE))
        sides = [long, long // 2] if long // 2 >= SMALLEST_LONG_SIDE else [long]
        return [working_size(size, side) for side in sides]

    def _planned(self, sizes: Sequence[Size]) -> tuple[int, Size]:
        """The most steps that there is time for, 0 for none, and the largest size at which. A few steps at the smallest
        size tell how long they take; time goes with the pixels."""
        from relook.vision.classify.tuning.descent import BATCH, PROBED

        small, images = sizes[-1], len(self.problem.images)
        pictures = Pictures(self.problem.images, small)
        some = np.arange(min(images, 2 * BATCH))
        learner = self._learner(pictures, some)
        each = learner.seconds_per_step(_TIMED)
        began = time.perf_counter()
        learner.logits(some)
        looking = (time.perf_counter() - began) / len(some)
        found = []
        for size in sizes:
            part = size.height * size.width / (small.height * small.width)
            again = BATCH * pictures.seconds_to_read * (1 - min(1.0, Pictures.room(size) / images))
            looks = (ASKED + 1) * (min(images, PROBED) + MOST_ASKED) * part * looking
            looks += min(images, Pictures.room(size)) * pictures.seconds_to_read  # each is read once in any case
            looks += ASKED * self.fitting  # what it is compared with learns from as many
            fitting = (most for most in LESSONS if self._allows((ASKED + 1) * most * (part * each + again) + looks))
            found.append((next(fitting, 0), size))
        return max(found, key=lambda one: one[0])  # of equals the first

    def _allows(self, seconds: float) -> bool:
        """Whether so much can be spent before the test images are answered, at worst by the best so far."""
        return self.budget.allows(seconds + self.fitting + self.answering)

    def _some(self, positions: Positions) -> Positions:
        """At most MOST_ASKED of them."""
        rng = np.random.default_rng([self.problem.seed, 63])
        return np.sort(rng.permutation(positions)[:MOST_ASKED])

    def _learner(self, pictures: Pictures, positions: Positions) -> Learner:
        from relook.vision.classify.tuning.descent import Learner, Lesson

        problem = self.problem
        lesson = Lesson(pictures, problem.truths, positions, problem.single, self.seen.flips, problem.seed)
        return Learner(self.backbone, lesson, self.precision)

    def _learned(self, pictures: Pictures, positions: Positions, steps: int, stage: Callable[[], None]) -> Learner:
        learner = self._learner(pictures, positions)

        def step() -> None:
            stage()
            if not self._allows(0.0):
                raise _OutOfTimeError

        learner.learn(steps, step)
        return learner

    def _as_it_is(self, rest: Positions, asked: Positions) -> npt.NDArray[np.float64]:
        """What the best so far says of the images asked when it learns from the rest."""
        taught = candidates.taught(self.problem, self.seen, self.chosen, rest)
        rows = asked * len(self.seen.flips)  # as they are, not mirrored
        return taught.logits({name: self.seen.blocks[name][rows] for name in taught.names})

    def _compared(
        self, held: Positions, logits: npt.NDArray[np.float64], before: npt.NDArray[np.float64]
    ) -> _Comparison:
        known = np.isin(held, self.problem.judged)
        asked = self.problem.part(held[known])

        def judged(values: npt.NDArray[np.float64]) -> tuple[Scaling, _Quality]:
            scaling = regression.calibrate(values, asked.truths, asked.single)
            return scaling, _Quality(*candidates.judge(asked, values[None], scaling))

        scaling, now = judged(logits[known])
        return _Comparison(scaling, now, judged(before[known])[1], len(asked.images), str(self.chosen))


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
