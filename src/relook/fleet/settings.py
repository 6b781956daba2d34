"""When pools grow, shrink and give up. Times are seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FleetSettings:
    threads: int = 1
    """Of each unit."""
    device: str = "cpu"
    """Where units compute: a `vision.engine.Device`."""
    queue_per_unit: int = 32
    """Requests that may wait, for each of a model's `max_units`; one more is Overloaded."""
    queue_timeout: float = 60
    """A request that waited so long for a unit is Overloaded too."""
    request_timeout: float = 30
    """A unit that has not answered by then is hung, and is killed."""
    start_timeout: float = 60
    """The same for one that has not loaded its model."""
    failed_starts: int = 3
    """So many units in a row that could not load their model fail the deployment."""
    backoff: float = 0.5
    """Wait before a unit is replaced when it was not the first to die; doubles with every further one."""
    longest_backoff: float = 10
    pressure_window: float = 0.5
    """Time constant of the mean by which load is judged."""
    idle_after: float = 60
    """A unit beyond `min_units` that had nothing to do for so long is retired."""
    farewell: float = 5
    """What a unit has to end by itself before it is killed."""


class Pressure:
    """The fraction of recent time, 0..1, in which requests had to wait: an exponentially weighted mean.

    It sees a few slow requests and many fast ones alike: what counts is that somebody waits, not how many.
    """

    LIMIT = 0.5
    """From here on another unit is worth its memory."""

    def __init__(self, window: float, now: float) -> None:
        self._window = window
        self._mean = 0.0
        self._since = now
        self._waiting = False

    def at(self, now: float) -> float:
        decay = math.exp(-max(0.0, now - self._since) / self._window)
        return self._mean * decay + (1 - decay if self._waiting else 0.0)

    def note(self, now: float, waiting: bool) -> None:
        """From now on requests wait, or do not."""
        self._mean, self._since, self._waiting = self.at(now), now, waiting

    def relieve(self, now: float) -> None:
        """Start anew: something was done about it."""
        self._mean, self._since = 0.0, now

    def time_left(self, now: float) -> float | None:
        """Seconds until the limit is reached if things stay as they are; None if it will not be."""
        if not self._waiting:
            return None
        reached = self.at(now)
        if reached >= self.LIMIT:
            return 0.0
        return self._window * math.log((1 - reached) / (1 - self.LIMIT))


def retry_delay(settings: FleetSettings, deaths: int) -> float:
    """Seconds before the next unit starts after `deaths` in a row: none after the first."""
    if deaths <= 1:
        return 0.0
    return float(min(settings.longest_backoff, settings.backoff * 2 ** (min(deaths, 30) - 2)))
