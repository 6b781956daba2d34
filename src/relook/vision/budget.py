"""What there is time for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

_RESERVED = 0.1
"""Part of the time that is kept for what cannot be foreseen."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`seconds` in all, from its making on."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    def allows(self, seconds: float) -> bool:
        """Whether so much more fits in."""
        return seconds <= self.left

    def bears(self, seconds: float, least: float) -> bool:
        """Whether so much more fits in, the reserve included, or is within the reserve of what has to be done."""
        return self.elapsed + seconds <= self.seconds or seconds <= least + _RESERVED * self.seconds

    @property
    def left(self) -> float:
        """Seconds that `allows` allows, below 0 where it allows none."""
        return (1 - _RESERVED) * self.seconds - self.elapsed

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began
