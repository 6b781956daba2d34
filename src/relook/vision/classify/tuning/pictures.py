"""Images at one working size, decoded once as far as memory goes."""

from __future__ import annotations

from collections.abc import Sequence

from relook.vision.classify.survey import pixels_of
from relook.vision.images import Pixels, Size, resize
from relook.vision.labelled import LabelledImage

KEPT_BYTES = 512 << 20


class Pictures:
    """By position."""

    def __init__(self, images: Sequence[LabelledImage], size: Size) -> None:
        self._images = images
        self._kept: dict[int, Pixels] = {}
        self._room = KEPT_BYTES // (3 * size.height * size.width)
        self.size = size

    def __getitem__(self, at: int) -> Pixels:
        found = self._kept.get(at)
        if found is None:
            found = resize(next(pixels_of([self._images[at]])), self.size)
            if len(self._kept) < self._room:
                self._kept[at] = found
        return found
