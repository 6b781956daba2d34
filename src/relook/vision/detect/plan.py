"""What a detector's training is made of, and how it spends its time. Nothing here needs PyTorch."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.labelled import LabelledImage

STEADY_PART = 0.65
"""Of all steps, those at the full rate; after them it falls. When to begin falling may be decided on the way, by the
time that has gone, and what was done until then is the same however many steps are to follow."""
STEADY_TIME = 0.58
"""Of the time, after which falling begins: a little less, for looks are more frequent then."""
LEEWAY = 0.05
"""Of the time, kept where looks take so long that falling has to begin earlier."""
STEP_GRID = 25
"""Falling begins at a multiple of this: two runs at nearly the same speed then often take the same number of steps."""
WARM_UP = 60
MOST_EPOCHS = 250
FEWEST_FOR_HOLDING = 16
HELD_PART = 0.1
FEWEST_HELD, MOST_HELD = 4, 60
PLAIN_PART = 0.15
"""Of the steps, the last, without four images in one: as the images are that are to come."""
RESERVED = 0.06
"""Of the time, for what comes after the last step; beside it:"""
SECONDS_PER_TEST = 0.05
"""At least; what answering held-out images takes is counted where it is more."""
LOOK_EPOCHS = 8
"""Between looks at held-out images at the full rate."""
FEWEST_BETWEEN = 20
"""Steps between any two looks."""
FALLING_LOOKS = 7
PATIENCE = 7
"""Looks without a gain after which falling begins early."""
FEWEST_STEPS, FEWEST_PASSES = 300, 5
"""Below either, a model is said to be likely to find little. Estimates: five times WARM_UP, and of large sets."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen. `steps` None: as many as the time allows, which depends on the machine's speed; the number
    taken is in the artifact's record, and given as `steps` it makes the same model.
    `threads` None: one for each usable CPU; sums, and with them the last bits, depend on it, so it is recorded, too.
    `size` None: chosen from the images and boxes; else the longer side in pixels.
    `mirror`, `upside_down`: whether images are mirrored left to right and top to bottom. None: they are, unless labels
    differ by such a side alone or their boxes look like each other then (`sides`).
    """

    steps: int | None = None
    threads: int | None = None
    size: int | None = None
    batch: int = 4
    rate: float = 2e-3
    mirror: bool | None = None
    upside_down: bool | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`steady` steps at the full rate, `total` in all."""

    steady: int
    total: int

    @classmethod
    def after(cls, steady: int) -> Schedule:
        """Falling begins now."""
        return cls(steady, math.ceil(steady / STEADY_PART))

    @classmethod
    def of(cls, total: int) -> Schedule:
        """The same for a number of steps that `after` gave."""
        return cls(math.floor(total * STEADY_PART), total)

    @property
    def looks(self) -> frozenset[int]:
        """Steps after which held-out images are looked at while the rate falls."""
        falling = self.total - self.steady
        count = max(1, min(FALLING_LOOKS, falling // FEWEST_BETWEEN))
        return frozenset(self.steady + round(falling * at / count) for at in range(1, count + 1))

    def plain(self, step: int) -> bool:
        """Whether the step is one of the last, which see images one by one."""
        return step >= self.total * (1 - PLAIN_PART)


def training_seconds(seconds: float, tests: int, answering: float = 0.0) -> float:
    """Of all the time, what may go to steps, and looks at held-out images; `answering` one image takes so many."""
    return max(0.5 * seconds, seconds * (1 - RESERVED) - max(SECONDS_PER_TEST, answering) * tests)


def to_fall(gone: float, looking: float) -> bool:
    """Whether to begin falling now, when so much of the time has `gone`; a look at held-out images takes `looking`."""
    return gone >= STEADY_TIME or gone / STEADY_PART + FALLING_LOOKS * looking >= 1 - LEEWAY


def most_steady(images: int, batch: int) -> int:
    """Steps at the full rate that are enough: of MOST_EPOCHS passes in all or, for few images, of 1,500 steps."""
    return Schedule.of(max(1500, math.ceil(MOST_EPOCHS * images / batch))).steady


def shortage(taken: int, steps: int, images: int, options: Options, *, cut: bool) -> str | None:
    """A warning where training was too short, or `cut` by its deadline; None where nothing is wrong.

    `images` were learned from. `steps` may be `taken` after a cut: when to end had not been decided then.
    """
    passes = taken * options.batch / images
    poor = taken < FEWEST_STEPS or passes < FEWEST_PASSES
    if not cut and not poor:
        return None
    of = f" of {steps}" if taken < steps else ""
    more = "more time (the setting detector_minutes)"
    if options.steps is not None and not cut:
        more = "more steps (the setting detector_steps)"
    begin = f"Time was up after {taken}{of} training steps" if cut else f"There were only {taken} training steps"
    likely = "is likely to be poor" if poor else "may be worse than it could be"
    return (
        f"{begin}, {passes:.1f} passes over the {images} images that were learned from: the model {likely}. "
        f"Give the training {more}."
    )


def steady_look(step: int, images: int, batch: int) -> bool:
    """Whether to look at held-out images after that many steps at the full rate."""
    return step % max(FEWEST_BETWEEN, math.ceil(LOOK_EPOCHS * images / batch)) == 0


def hold_out(
    images: Sequence[LabelledImage], seed: int, copy_of: npt.NDArray[np.int64] | None = None
) -> tuple[list[int], list[int]]:
    """Positions to learn from and positions to choose by: of images with boxes their share, and FEWEST_HELD where that
    is less, because others tell little. No label loses more than a quarter of its images; of fewer than
    FEWEST_FOR_HOLDING images, or where no box would be held out, none is. `copy_of` (images,) is the position of
    the first copy of the same picture: copies stay together, and up to twice as many are held out for that."""
    everything = list(range(len(images)))
    if len(images) < FEWEST_FOR_HOLDING:
        return everything, []
    wanted = min(MOST_HELD, max(FEWEST_HELD, round(HELD_PART * len(images))))
    most = min(2 * wanted, len(images) // 4)
    labels = [{box.label for box in image.boxes} for image in images]
    left = Counter(label for found in labels for label in found)
    least = {label: math.ceil(0.75 * count) for label, count in left.items()}
    copies: dict[int, list[int]] = defaultdict(list)
    for at in everything:
        copies[at if copy_of is None else int(copy_of[at])].append(at)
    held: list[int] = []
    boxed = min(wanted, max(FEWEST_HELD, round(wanted * sum(map(bool, labels)) / len(images))))
    drawn = np.random.default_rng([seed, 1]).permutation(len(images)).tolist()
    for at in sorted(drawn, key=lambda one: not labels[one]):  # those with boxes first, otherwise as drawn
        unit = copies.get(at, [])
        lost = Counter(label for one in unit for label in labels[one])
        room = len(held) < (boxed if labels[at] else wanted) and len(held) + len(unit) <= most
        if room and all(left[label] - count >= least[label] for label, count in lost.items()):
            held += unit
            left.subtract(lost)
    if not any(labels[at] for at in held):
        return everything, []  # by no box all weights are equally good
    chosen = set(held)
    return [at for at in everything if at not in chosen], sorted(held)


def rate(step: int, schedule: Schedule | None) -> float:
    """The part of the full rate: warmed up, steady, then falling to a fiftieth along a half cosine. None: not yet."""
    rise = min(1.0, (step + 1) / WARM_UP)
    if schedule is None or step < schedule.steady:
        return rise
    part = (step - schedule.steady) / max(1, schedule.total - schedule.steady)
    return rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))


def average_keep(step: int) -> float:
    """How much of the running average stays at a step: it remembers a twentieth of the run until then."""
    return 1 - 1 / (1 + max(10, step) / 20) if step > 20 else step / (step + 10)


def order(images: Sequence[LabelledImage]) -> np.ndarray:
    """(n,) how likely each image is drawn: those with rare labels more often, at most four times as often as others
    (Gupta et al., 2019: repeat factors, for labels that are on fewer than 15 of 100 images)."""
    labels = [{box.label for box in image.boxes} for image in images]
    counts = Counter(label for found in labels for label in found)
    share = {label: count / len(images) for label, count in counts.items()}
    weight = np.array(
        [max((min(4.0, max(1.0, math.sqrt(0.15 / share[label]))) for label in found), default=1.0) for found in labels]
    )
    part: np.ndarray = weight / weight.sum()
    return part
