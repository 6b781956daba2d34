"""What there is time for: images looked at so far tell how long others will take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from relook.vision.images import Size

_RESERVED = 0.1
"""Part of the time that is kept for what cannot be foreseen."""
_ANSWERED = 1.25
"""How much longer an image takes to be answered than to be looked at; both several at a time."""


@dataclass(slots=True)
class Budget:
    """`seconds` in all, from its making on. Pixels are those of working sizes."""

    seconds: float
    began: float = field(default_factory=time.monotonic)
    comparing: float = 0.0
    """Seconds that comparing the candidates of one size has taken at most; they hang little on the size."""
    _pixels: float = 0.0
    _taken: float = 0.0

    def learned(self, images: int, size: Size, seconds: float) -> None:
        """So many images were looked at in that time."""
        self._pixels += images * size.height * size.width
        self._taken += seconds

    def foreseen(self, images: int, size: Size, answered: int = 0) -> float:
        """Seconds for so many images, and for others to be `answered`; 0 while nothing is known."""
        if not self._pixels:
            return 0.0
        return self.comparing + (images + _ANSWERED * answered) * size.height * size.width * self._taken / self._pixels

    def allows(self, seconds: float) -> bool:
        """Whether so much more fits in."""
        return self.elapsed + seconds <= (1 - _RESERVED) * self.seconds

    def bears(self, seconds: float, least: float) -> bool:
        """Whether so much more fits in, the reserve included, or is within the reserve of what has to be done."""
        return self.elapsed + seconds <= self.seconds or seconds <= least + _RESERVED * self.seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began
