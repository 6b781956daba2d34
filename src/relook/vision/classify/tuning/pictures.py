"""Images at one working size, decoded once as far as memory goes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from relook.vision.classify.survey import pixels_of
from relook.vision.images import Pixels, Size, resize
from relook.vision.labelled import LabelledImage

KEPT_BYTES = 512 << 20


class Pictures:
    """By position. `seconds_to_read` is the mean over those read so far."""

    def __init__(self, images: Sequence[LabelledImage], size: Size) -> None:
        self._images = images
        self._kept: dict[int, Pixels] = {}
        self._room = self.room(size)
        self._read = 0
        self._reading = 0.0
        self.size = size

    @staticmethod
    def room(size: Size) -> int:
        """How many images are kept."""
        return KEPT_BYTES // (3 * size.height * size.width)

    @property
    def seconds_to_read(self) -> float:
        return self._reading / max(1, self._read)

    def __getitem__(self, at: int) -> Pixels:
        found = self._kept.get(at)
        if found is None:
            began = time.perf_counter()
            found = resize(next(pixels_of([self._images[at]])), self.size)
            self._reading += time.perf_counter() - began
            self._read += 1
            if len(self._kept) < self._room:
                self._kept[at] = found
        return found
