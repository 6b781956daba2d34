"""How many requests a variant had in the last minutes: what autoscaling goes by."""

from __future__ import annotations

import time
from collections.abc import Callable

_MINUTES = 16


class InvocationCounts:
    """Counts per minute, of the last quarter of an hour. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._minutes: dict[int, int] = {}

    def add(self) -> None:
        """One request, now."""
        minute = int(self._clock() // 60)
        self._minutes[minute] = self._minutes.get(minute, 0) + 1
        if len(self._minutes) > _MINUTES:
            del self._minutes[min(self._minutes)]

    def last(self, minutes: int) -> list[int]:
        """Of the last whole minutes, oldest first."""
        now = int(self._clock() // 60)
        return [self._minutes.get(minute, 0) for minute in range(now - minutes, now)]
