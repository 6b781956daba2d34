"""Gradient descent for a detector. Imports torch: for a job's process alone."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from relook.vision import runtime
from relook.vision.detect import plan
from relook.vision.detect.assigning import Truths, cells_of, loss
from relook.vision.detect.augmenting import Recipe, drawn
from relook.vision.detect.network import Network, built
from relook.vision.detect.pictures import Picture, Pictures
from relook.vision.detect.plan import Options
from relook.vision.detect.starts import Start
from relook.vision.torch_threads import torch_threads

Weights = Mapping[str, npt.NDArray[np.float32]]

DECAY = 0.02
LARGEST_GRADIENT = 10.0
TAUGHT_RATE = 0.3
"""Of the rate, for what was pretrained."""
MEASURED_IMAGES = 16


@dataclass(frozen=True, slots=True)
class Judge:
    """`score` gives how good (higher is better) folded weights are on held-out images; None: the last are taken.
    `deadline` of time.monotonic for the last step: it may come nearer as scores tell how long answers take."""

    score: Callable[[Weights], float] | None
    progress: Callable[[int, int], None]
    deadline: Callable[[], float]


@dataclass(slots=True)
class Outcome:
    """`weights` folded, of `images` learned from. `chosen_step` is where they are from; `scores` (step, score) of all
    looks."""

    weights: Weights
    threads: int
    images: int
    steps: int = 0
    taken: int = 0
    chosen_step: int = 0
    per_step: float = 0.0
    scores: list[tuple[int, float]] = field(default_factory=list)
    out_of_time: bool = False


def learn(
    pictures: Pictures,
    chances: npt.NDArray[np.float64],
    labels: int,
    start: Start,
    judge: Judge,
    options: Options,
    seed: int,
) -> Outcome:
    """Until `options.steps` are taken or, without them, until about the judge's deadline or until nothing was gained
    for long. At the deadline it ends in any case."""
    with torch_threads(options.threads) as threads:
        torch.manual_seed(seed)
        run = _Run(pictures, chances, labels, start, options, seed)
        outcome = Outcome(run.folded(), threads, len(pictures))
        return _Course(run, judge, outcome, options).follow()


class _Course:
    """One training from its first step to its last: when the rate begins to fall, which weights are taken."""

    def __init__(self, run: _Run, judge: Judge, outcome: Outcome, options: Options) -> None:
        self._run, self._judge, self._outcome, self._batch = run, judge, outcome, options.batch
        self._images, self._begin, self._deadline = outcome.images, time.monotonic(), judge.deadline()
        self._schedule = None if options.steps is None else plan.Schedule.of(options.steps)
        self._best, self._since, self._looking = -1.0, 0, 0.0

    def follow(self) -> Outcome:
        outcome = self._outcome
        stepping = 0.0
        while self._schedule is None or outcome.taken < self._schedule.total:
            if time.monotonic() > self._deadline:
                outcome.out_of_time = True
                if outcome.taken and outcome.taken not in (at for at, _ in outcome.scores[-1:]):
                    self._look()
                break
            began = time.monotonic()
            self._run.step(outcome.taken, self._schedule)
            stepping += time.monotonic() - began
            outcome.taken += 1
            if self._due():
                self._look()
            self._decide()
            self._judge.progress(*self._progress())
        outcome.steps = outcome.taken if self._schedule is None else self._schedule.total
        outcome.per_step = stepping / max(1, outcome.taken)
        if not outcome.scores:
            outcome.weights, outcome.chosen_step = self._run.folded(), outcome.taken
        return outcome

    def _due(self) -> bool:
        taken = self._outcome.taken
        if self._schedule is not None and taken > self._schedule.steady:
            return taken in self._schedule.looks
        return plan.steady_look(taken, self._images, self._batch)

    def _look(self) -> None:
        """Keep what is best on held-out images; of equals the later."""
        taken = self._outcome.taken
        if self._judge.score is None:
            return
        began = time.monotonic()
        weights = self._run.folded()
        score = self._judge.score(weights)
        self._looking, self._deadline = time.monotonic() - began, self._judge.deadline()
        self._outcome.scores.append((taken, score))
        self._since = 0 if score > self._best or self._best <= 0 else self._since + 1  # 0: nothing is found yet
        if score >= self._best:
            self._best, self._outcome.weights, self._outcome.chosen_step = score, weights, taken

    def _decide(self) -> None:
        """Whether the rate falls from here on."""
        taken = self._outcome.taken
        if self._schedule is not None or taken % plan.STEP_GRID:
            return
        given = max(1e-9, self._deadline - self._begin)
        gone = (time.monotonic() - self._begin) / given
        enough = taken >= plan.most_steady(self._images, self._batch) or self._since > plan.PATIENCE
        if plan.to_fall(gone, self._looking / given) or enough:
            self._schedule = plan.Schedule.after(taken)

    def _progress(self) -> tuple[int, int]:
        """Steps done and steps in all, which are foretold from the speed as long as they are not decided."""
        taken = self._outcome.taken
        if self._schedule is not None:
            return taken, self._schedule.total
        speed = taken / (time.monotonic() - self._begin)
        fitting = math.ceil(speed * (self._deadline - self._begin))
        most = plan.Schedule.after(plan.most_steady(self._images, self._batch)).total
        return taken, max(taken + 1, min(fitting, most))


class _Run:
    """Network, optimiser and average, from step to step."""

    def __init__(
        self,
        pictures: Pictures,
        chances: npt.NDArray[np.float64],
        labels: int,
        start: Start,
        options: Options,
        seed: int,
    ) -> None:
        self._pictures, self._chances, self._options, self._seed = pictures, chances, options, seed
        self._short = runtime.native_precision() is runtime.Precision.BF16
        architecture = start.architecture(labels)
        self._network = built(architecture, start.weights)
        self._cells = cells_of(
            pictures.size.height, pictures.size.width, tuple(level.stride for level in architecture.levels)
        )
        self._network.measure(self._first(MEASURED_IMAGES))
        self._slow = copy.deepcopy(self._network).eval()
        self._optimiser = torch.optim.AdamW(_groups(self._network, start.weights, options.rate), options.rate)

    def step(self, step: int, schedule: plan.Schedule | None) -> None:
        """One batch, one move."""
        part = plan.rate(step, schedule)
        for group in self._optimiser.param_groups:
            group["lr"] = group["full_rate"] * part
        self._descend(step, mosaic=schedule is None or not schedule.plain(step))
        self._average(plan.average_keep(step))

    def folded(self) -> Weights:
        """The average's."""
        found: Weights = self._slow.folded()
        return found

    def _descend(self, step: int, mosaic: bool) -> None:
        images, truths = self._batch(step, mosaic)
        self._network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._short):
            logits, boxes = self._network(images)
        wrong = loss(logits, boxes, truths, self._cells)
        self._optimiser.zero_grad(set_to_none=True)
        wrong.backward()
        trained = [value for value in self._network.parameters() if value.requires_grad]
        torch.nn.utils.clip_grad_norm_(trained, LARGEST_GRADIENT)
        self._optimiser.step()

    def _average(self, keep: float) -> None:
        now = self._network.state_dict()
        with torch.no_grad():
            for name, value in self._slow.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(now[name], 1 - keep)

    def _batch(self, step: int, mosaic: bool) -> tuple[torch.Tensor, Truths]:
        rng = np.random.default_rng([self._seed, 2, step])
        mirror, upside_down = self._options.mirror is not False, self._options.upside_down is not False
        recipe = Recipe(mosaic=mosaic, mirror=mirror, upside_down=upside_down)
        made = []
        for _ in range(self._options.batch):
            chosen = rng.choice(len(self._pictures), 4 if mosaic else 1, p=self._chances)
            made.append(drawn([self._pictures[int(at)] for at in chosen], self._pictures.size, recipe, rng))
        return torch.from_numpy(np.stack([each.pixels for each in made])), _truths(made)

    def _first(self, count: int) -> torch.Tensor:
        rng = np.random.default_rng([self._seed, 3])
        recipe = Recipe(mosaic=False, scale=1.0, light=0.0, mirror=False, upside_down=False)
        chosen = rng.choice(len(self._pictures), min(count, len(self._pictures)), replace=False)
        made = [drawn([self._pictures[int(at)]], self._pictures.size, recipe, rng).pixels for at in chosen]
        return torch.from_numpy(np.stack(made))


def _truths(pictures: Sequence[Picture]) -> Truths:
    most = max(len(each.boxes) for each in pictures)
    boxes = np.zeros((len(pictures), most, 4), np.float32)
    labels = np.zeros((len(pictures), most), np.int64)
    there = np.zeros((len(pictures), most), bool)
    for at, each in enumerate(pictures):
        count = len(each.boxes)
        boxes[at, :count], labels[at, :count], there[at, :count] = each.boxes, each.labels, True
    return Truths(*(torch.from_numpy(each) for each in (boxes, labels, there)))


def _groups(network: Network, taught: Weights, full: float) -> list[dict[str, object]]:
    """Pretrained weights move slower; only weights of convolutions decay."""
    groups: dict[tuple[bool, bool], list[torch.Tensor]] = {}
    for conv in network.architecture.convolutions:
        for value in network.part(conv.name).parameters():
            if value.requires_grad:
                groups.setdefault((f"{conv.name}.weight" in taught, value.ndim > 1), []).append(value)
    return [
        {
            "params": values,
            "full_rate": full * (TAUGHT_RATE if known else 1.0),
            "weight_decay": DECAY if decays else 0.0,
        }
        for (known, decays), values in sorted(groups.items(), key=lambda entry: entry[0])
    ]
