"""Gradient descent for a classifier and its backbone. Imports torch: for a training's process alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from relook.vision.backbones import Backbone
from relook.vision.classify import regression
from relook.vision.classify.looking import Flip
from relook.vision.classify.problem import Flags, Positions
from relook.vision.classify.tuning.network import Trunk
from relook.vision.classify.tuning.pictures import Pictures
from relook.vision.runtime import Precision

BATCH = 16
RATE, HEAD_RATE = 5e-4, 2e-3
"""AdamW's, at the highest, for the backbone and for the head."""
DECAY = 0.01
PIXELS_AT_ONCE = 1 << 20
"""Of the images of a step that go through the network together: memory grows with them."""
WARM_UP = 50
"""Steps in which the rates rise; then they fall along half a cosine to nothing."""
LARGEST_GRADIENT = 5.0
SMOOTHING = 0.05
DROPPED = 0.3
"""Part of the values that the head does without at each step."""
SHIFT = 12
"""Pixels by which images are moved at most, each way."""
LIGHT = 0.1
"""Part by which their brightness and contrast change at most."""
HEAVIEST = 10.0
"""Times the mean: the largest weight of an image whose label is rare."""
PROBED = 1000
"""Images, at most, that the head begins from."""
PROBE_STRENGTH = 1.0
_LEAST_DEVIATION = 0.05
"""Of a value, as a part of the mean one's: what never changes must not be blown up."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned: of `pictures`, those at `positions`; `truths` are of all."""

    pictures: Pictures
    truths: Flags
    positions: Positions
    single: bool
    flips: Sequence[Flip]
    seed: int


class Learner:
    """A backbone and a head that learn a lesson. Deterministic for a lesson, a number of steps and of threads."""

    def __init__(self, backbone: Backbone, lesson: Lesson, precision: Precision) -> None:
        """Convolutions compute in `precision`, as they will when served."""
        torch.manual_seed(lesson.seed)
        self._lesson = lesson
        self._short = precision is Precision.BF16
        size = lesson.pictures.size
        self._at_once = max(1, min(BATCH, PIXELS_AT_ONCE // (size.height * size.width)))
        self._trunk = Trunk(backbone, lesson.pictures.size)
        self._weights = _weights(lesson)
        self._mean, self._gain, self._head = self._probe()
        self._optimiser = torch.optim.AdamW(
            [
                {"params": list(self._trunk.parameters()), "full": RATE},
                {"params": list(self._head.parameters()), "full": HEAD_RATE},
            ],
            RATE,
            weight_decay=DECAY,
        )

    def learn(self, steps: int, step: Callable[[], None]) -> None:
        """`step` is called after each."""
        for at in range(steps):
            part = min((at + 1) / WARM_UP, 0.5 * (1 + math.cos(math.pi * at / steps)))
            for group in self._optimiser.param_groups:
                group["lr"] = group["full"] * part
            self._step(at)
            step()

    def seconds_per_step(self, steps: int) -> float:
        """From a few steps after a first one, which takes longer. What was learned by that should be thrown away."""
        self._step(0)
        began = time.perf_counter()
        for at in range(steps):
            self._step(at + 1)
        return (time.perf_counter() - began) / steps

    def logits(self, positions: Positions) -> npt.NDArray[np.float64]:
        """(images, labels)."""
        values = self._values(positions)
        with torch.no_grad():
            found: npt.NDArray[np.float64] = self._head((values - self._mean) * self._gain).numpy().astype(np.float64)
        return found

    def backbone(self) -> Backbone:
        """With what was learned."""
        return self._trunk.tuned()

    def head(self) -> tuple[Floats, Floats, Floats]:
        """logits = (values - mean) @ weight + bias: mean (values,), weight (values, labels), bias (labels,)."""
        weight, bias = self._head.weight.detach(), self._head.bias.detach()
        return self._mean.numpy(), (weight * self._gain).T.contiguous().numpy(), bias.numpy()

    def _step(self, at: int) -> None:
        lesson = self._lesson
        rng = np.random.default_rng([lesson.seed, 60, at])
        chosen = self._chosen(at)
        moved = torch.from_numpy(np.stack([_moved(lesson.pictures[int(one)], lesson.flips, rng) for one in chosen]))
        light = torch.from_numpy(rng.uniform(-LIGHT, LIGHT, (len(chosen), 1, 1, 2)).astype(np.float32))
        self._optimiser.zero_grad(set_to_none=True)
        for first in range(0, len(chosen), self._at_once):
            part = slice(first, first + self._at_once)
            some = chosen[part]
            images = (moved[part].float() - 128) * (1 + light[part, ..., :1]) + 128 * (1 + light[part, ..., 1:])
            with torch.autocast("cpu", torch.bfloat16, enabled=self._short):
                values = self._trunk(images)
            logits = self._head(functional.dropout((values - self._mean) * self._gain, DROPPED))
            wrong = _loss(logits, torch.from_numpy(lesson.truths[some]), self._weights[some], lesson.single)
            (wrong * (len(some) / len(chosen))).backward()
        torch.nn.utils.clip_grad_norm_(self._trunk.parameters(), LARGEST_GRADIENT)
        self._optimiser.step()

    def _chosen(self, at: int) -> Positions:
        """The images of a step: all in a new order, again and again."""
        positions, first = self._lesson.positions, at * BATCH
        turns = range(first // len(positions), (first + BATCH - 1) // len(positions) + 1)
        order = np.concatenate(
            [np.random.default_rng([self._lesson.seed, 61, turn]).permutation(positions) for turn in turns]
        )
        begin = first - turns[0] * len(positions)
        found: Positions = order[begin : begin + BATCH]
        return found

    def _probe(self) -> tuple[torch.Tensor, torch.Tensor, torch.nn.Linear]:
        """The values' mean and gain, and a head that tells from the backbone as it is (Kumar et al., 2022: beginning
        with one from chance would spoil what the backbone knows)."""
        lesson = self._lesson
        some = np.sort(np.random.default_rng([lesson.seed, 62]).permutation(lesson.positions)[:PROBED])
        values = self._values(some)
        mean, deviation = values.mean(0), values.std(0, correction=0)
        gain = 1 / (deviation + _LEAST_DEVIATION * deviation.mean())
        scale = math.sqrt(values.shape[1])
        ready = (((values - mean) * gain) / scale).numpy().astype(np.float64)
        fitted = regression.fit_reduced(ready, lesson.truths[some], PROBE_STRENGTH, lesson.single)
        head = torch.nn.Linear(values.shape[1], lesson.truths.shape[1])
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(fitted.weight.T / scale))
            head.bias.copy_(torch.from_numpy(fitted.bias))
        return mean, gain, head

    def _values(self, positions: Positions) -> torch.Tensor:
        found = []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self._short):
            for at in range(0, len(positions), self._at_once):
                images = np.stack([self._lesson.pictures[int(one)] for one in positions[at : at + self._at_once]])
                found.append(self._trunk(torch.from_numpy(images)))
        return torch.cat(found)


def _weights(lesson: Lesson) -> torch.Tensor:
    """(images, labels): by which every label counts alike; of images that are not learned from 0."""
    weights = np.zeros(lesson.truths.shape, np.float32)
    balanced = regression.balance(lesson.truths[lesson.positions], lesson.single)
    weights[lesson.positions] = np.minimum(balanced / balanced.mean(), HEAVIEST)
    return torch.from_numpy(weights)


def _loss(logits: torch.Tensor, truths: torch.Tensor, weights: torch.Tensor, single: bool) -> torch.Tensor:
    """Weighted cross-entropy with smoothed targets."""
    labels = truths.shape[1]
    if single:
        target = truths * (1 - SMOOTHING) + SMOOTHING / labels
        each = -(target * functional.log_softmax(logits, 1)).sum(1)
        return (each * weights[:, 0]).mean()
    target = truths * (1 - SMOOTHING) + SMOOTHING / 2
    return functional.binary_cross_entropy_with_logits(logits, target, weights)


def _moved(pixels: npt.NDArray[np.uint8], flips: Sequence[Flip], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Mirrored in one of the ways allowed, and moved a little, its border mirrored into what is left."""
    rows, columns = flips[int(rng.integers(len(flips)))]
    pixels = pixels[:: -1 if rows else 1, :: -1 if columns else 1]
    down, right = (int(each) for each in rng.integers(0, 2 * SHIFT + 1, 2))
    height, width = pixels.shape[:2]
    wide = np.pad(pixels, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="reflect")
    return wide[down : down + height, right : right + width]
