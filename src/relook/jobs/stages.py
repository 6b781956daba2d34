"""Stages that say how long a job may still take, which is of use only while it runs."""

from __future__ import annotations

import math

_LEFT = ", at most "


def with_time_left(stage: str, seconds: float) -> str:
    """`stage` with the minutes that are left at most; as it is where the time is over, for nothing is known then."""
    return f"{stage}{_LEFT}{math.ceil(seconds / 60)} min left" if seconds > 0 else stage


def without_time_left(stage: str) -> str:
    """What `with_time_left` was given; any other stage as it is."""
    return stage.rpartition(_LEFT)[0] if stage.endswith(" min left") and _LEFT in stage else stage
