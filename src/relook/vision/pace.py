"""How long images take to be looked at, by working size."""

from __future__ import annotations

import time

import numpy as np

from relook.vision.backbones import Backbone
from relook.vision.features import Extractor, streams
from relook.vision.images import Size
from relook.vision.memory_bank import DIMS, MemoryBank
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.survey import pixels_of

_PROBED, _PROBED_ALONE = 8, 2
"""Images that are looked at to learn how long one takes."""
_ALONE = 1.25
"""How much longer an image takes by itself, as served, than one that has a thread of several to itself."""


class Pace:
    """Seconds an image: read, its patches found and compared with a memory bank.

    What looks took says it, and for other sizes the look at the largest, in proportion to the pixels. Both are too
    much: what is done once for all images, and reading, count as if it were done for every pixel. `probe` tells better.
    """

    def __init__(self, backbone: Backbone, precision: Precision) -> None:
        self._backbone = backbone
        self._precision = precision
        self._looks: dict[Size, float] = {}
        self._probes: dict[Size, tuple[float, float]] = {}

    def learned(self, size: Size, images: int, seconds: float) -> None:
        """So many images were looked at in that time."""
        self._looks[size] = seconds / images

    @property
    def known(self) -> bool:
        """Whether `at` can tell anything of sizes that were not probed."""
        return bool(self._looks)

    def probed(self, size: Size) -> bool:
        return size in self._probes

    def at(self, size: Size) -> float:
        """Several at a time."""
        if size in self._probes:
            return self._probes[size][0]
        if size in self._looks:
            return self._looks[size]
        largest = max(self._looks, key=_pixels)
        return self._looks[largest] * _pixels(size) / _pixels(largest)

    def alone(self, size: Size) -> float:
        """By itself, in one thread."""
        return self._probes[size][1] if size in self._probes else _ALONE * streams() * self.at(size)

    def probe(self, problem: Problem, size: Size) -> None:
        """Look at a few images with a bank of noise, which takes as long as a real one."""
        extractor = Extractor(self._backbone, size, self._precision)
        rng = np.random.default_rng(0)
        weight = rng.standard_normal((self._backbone.channels, DIMS), np.float32)
        rows = rng.standard_normal((problem.bank_rows, DIMS), np.float32)
        bank = MemoryBank(rows, np.zeros(len(rows), np.int64))

        def seconds(*positions: int) -> float:
            began = time.monotonic()
            images = (pixels_of(problem.samples[at]) for at in positions)
            for embedding in [patches @ weight for patches in extractor.each(images)]:
                bank.nearest(embedding)
            return time.monotonic() - began

        some = problem.normal[:_PROBED].tolist()
        alone = [seconds(at) for at in some[:_PROBED_ALONE]]
        self._probes[size] = seconds(*some) / len(some), _ALONE * sum(alone) / len(alone)


def _pixels(size: Size) -> int:
    return size.height * size.width
