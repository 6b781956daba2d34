"""What a job's stage says of the time that is left."""

from __future__ import annotations

import pytest

from relook.jobs.stages import with_time_left, without_time_left


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(601.0, "heads, at most 11 min left"), (60.0, "heads, at most 1 min left"), (0.1, "heads, at most 1 min left")],
)
def test_minutes_are_rounded_up(seconds: float, told: str) -> None:
    assert with_time_left("heads", seconds) == told
    assert without_time_left(told) == "heads"


@pytest.mark.parametrize("seconds", [0.0, -300.0])
def test_where_the_time_is_over_nothing_is_promised(seconds: float) -> None:
    assert with_time_left("heads", seconds) == "heads" == without_time_left("heads")
