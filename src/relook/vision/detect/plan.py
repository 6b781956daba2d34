"""What a detector's training is made of, and how it spends its time. Nothing here needs PyTorch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relook.vision.labelled import LabelledImage

STEP_GRID = 50
"""Steps measured from a speed are a multiple of this: two runs at nearly the same speed then take the same number."""
FEWEST_STEPS = 50
MOST_EPOCHS = 250
FEWEST_FOR_HOLDING = 16
HELD_PART = 0.1
FEWEST_HELD, MOST_HELD = 4, 60
PLAIN_PART = 0.15
"""Of the steps, the last, without four images in one: as the images are that are to come."""
RESERVED = 0.12
"""Of the time, for looking at held-out and test images."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen. `steps` None: as many as fit into the time, by a short trial of the speed. The outcome then
    depends on that speed; the number taken is in the artifact's record, and given as `steps` it makes the same model.
    `threads` None: one for each core; sums, and with them the last bits, depend on it, so it is recorded, too.
    `size` None: chosen from the images and boxes; else the longer side in pixels.
    `upside_down`: whether images are mirrored top to bottom, too; left to right they always are.
    """

    steps: int | None = None
    threads: int | None = None
    size: int | None = None
    batch: int = 8
    rate: float = 1e-3
    upside_down: bool = True


def steps_for(seconds: float, per_step: float, images: int, batch: int) -> int:
    """How many steps of `per_step` seconds to take: what fits, but no more than MOST_EPOCHS passes or, for few images,
    1,500 steps."""
    most = max(1500, math.ceil(MOST_EPOCHS * images / batch))
    fitting = int(seconds * (1 - RESERVED) / per_step) // STEP_GRID * STEP_GRID
    return max(FEWEST_STEPS, min(fitting, most))


def hold_out(images: Sequence[LabelledImage], seed: int) -> tuple[list[int], list[int]]:
    """Positions to learn from and positions to choose by. No label loses more than a quarter of its images; of fewer
    than FEWEST_FOR_HOLDING images none is held out."""
    everything = list(range(len(images)))
    if len(images) < FEWEST_FOR_HOLDING:
        return everything, []
    wanted = min(MOST_HELD, max(FEWEST_HELD, round(HELD_PART * len(images))))
    labels = [{box.label for box in image.boxes} for image in images]
    left = Counter(label for found in labels for label in found)
    least = {label: math.ceil(0.75 * count) for label, count in left.items()}
    held: list[int] = []
    for at in np.random.default_rng([seed, 1]).permutation(len(images)).tolist():
        if len(held) < wanted and all(left[label] - 1 >= least[label] for label in labels[at]):
            held.append(at)
            left.subtract(labels[at])
    return [at for at in everything if at not in set(held)], sorted(held)


def rate(step: int, steps: int) -> float:
    """The part of the full rate: warmed up, then falling along a half cosine to a fiftieth."""
    warm_up = max(1, min(100, steps // 10))
    rise = min(1.0, (step + 1) / warm_up)
    return rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def average_keep(step: int, steps: int) -> float:
    """How much of the running average stays at a step: it remembers a thirtieth of the run, at first less."""
    horizon = max(10.0, steps / 30)
    return min(1 - 1 / horizon, step / (step + 10))


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
