"""How long images take to be looked at, by working size."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from relook.vision.backbones import Backbone
from relook.vision.features import Extractor
from relook.vision.images import Size
from relook.vision.memory_bank import DIMS, MemoryBank
from relook.vision.parallel import in_order, threads
from relook.vision.problem import Problem
from relook.vision.runtime import Precision
from relook.vision.survey import pixels_of

_PROBED = 8
"""Images that are looked at to learn how long one takes."""
_ANSWERED = 1.25
"""How much longer an image takes to be answered, its heat map included, than to be looked at; several at a time."""


class Pace:
    """Seconds an image: read, its patches found and compared with a memory bank.

    What looks took says it, and for other sizes the look at the largest, in proportion to the pixels. Both are too
    much: what is done once for all images, and reading, count as if it were done for every pixel. `probe` tells better.
    """

    def __init__(self, backbone: Backbone, precision: Precision) -> None:
        self._backbone = backbone
        self._precision = precision
        self._looks: dict[Size, float] = {}
        self._probes: dict[Size, float] = {}

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
        """As a training image."""
        known = self._probes.get(size, self._looks.get(size))
        if known is not None:
            return known
        largest = max(self._looks, key=_pixels)
        return self._looks[largest] * _pixels(size) / _pixels(largest)

    def answered(self, size: Size) -> float:
        """As a test image."""
        return _ANSWERED * self.at(size)

    def probe(self, problem: Problem, size: Size) -> None:
        """Look at a few images with a bank of noise, which takes as long as a real one."""
        extractor = Extractor(self._backbone, size, self._precision)
        rng = np.random.default_rng(0)
        weight = rng.standard_normal((self._backbone.channels, DIMS), np.float32)
        rows = rng.standard_normal((problem.bank_rows, DIMS), np.float32)
        bank = MemoryBank(rows, np.zeros(len(rows), np.int64))

        def look(positions: Sequence[int]) -> None:
            images = (pixels_of(problem.samples[at]) for at in positions)
            embeddings = [patches @ weight for patches in extractor.each(images)]
            for _ in in_order(lambda _, embedding: bank.nearest(embedding), embeddings, range(threads())):
                pass

        some = problem.normal[:_PROBED].tolist()
        look(some[: threads()])  # the first of every thread takes longer
        began = time.monotonic()
        look(some)
        self._probes[size] = (time.monotonic() - began) / len(some)


def _pixels(size: Size) -> int:
    return size.height * size.width
