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

_PROBED = 8
"""Images that are looked at to learn how long one takes."""
_ALONE = 1.25
"""How much longer an image takes by itself, as served, than one that has a thread of several to itself."""


class Pace:
    """Seconds an image, several at a time: read, its patches found and compared with a memory bank.

    At a size that was not looked at it is foreseen from the largest that was, in proportion to the pixels. That is too
    much, because reading and what is done once take the same time at every size: `probe` tells better.
    """

    def __init__(self, backbone: Backbone, precision: Precision) -> None:
        self._backbone = backbone
        self._precision = precision
        self._known: dict[Size, float] = {}

    def learned(self, size: Size, images: int, seconds: float) -> None:
        """So many images were looked at in that time."""
        self._known[size] = seconds / images

    def known(self, size: Size | None = None) -> bool:
        """Whether images were looked at at this size, or at any."""
        return bool(self._known) if size is None else size in self._known

    def at(self, size: Size) -> float:
        """Seconds; something must be known."""
        if size in self._known:
            return self._known[size]
        largest = max(self._known, key=_pixels)
        return self._known[largest] * _pixels(size) / _pixels(largest)

    def alone(self, size: Size) -> float:
        """Seconds for an image by itself, in one thread."""
        return _ALONE * streams() * self.at(size)

    def probe(self, problem: Problem, size: Size) -> None:
        """Look at a few images with a bank of noise, which takes as long as a real one."""
        extractor = Extractor(self._backbone, size, self._precision)
        rng = np.random.default_rng(0)
        weight = rng.standard_normal((self._backbone.channels, DIMS), np.float32)
        bank = MemoryBank(
            rng.standard_normal((problem.bank_rows, DIMS), np.float32), np.zeros(problem.bank_rows, np.int64)
        )
        some = problem.normal[:_PROBED].tolist()
        began = time.monotonic()
        for patches in extractor.each(pixels_of(problem.samples[at]) for at in some):
            bank.nearest(patches @ weight)
        self.learned(size, len(some), time.monotonic() - began)


def _pixels(size: Size) -> int:
    return size.height * size.width
