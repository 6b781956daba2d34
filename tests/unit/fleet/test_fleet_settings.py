from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.fleet.settings import FleetSettings, Pressure, retry_delay


def test_pressure_rises_while_somebody_waits_and_falls_after() -> None:
    pressure = Pressure(window=1.0, now=0.0)
    pressure.note(0.0, waiting=True)
    left = pressure.time_left(0.0)
    assert left == pytest.approx(0.6931, abs=1e-3)
    assert pressure.at(0.5) < Pressure.LIMIT < pressure.at(1.0)
    pressure.note(1.0, waiting=False)
    assert pressure.time_left(1.0) is None
    assert pressure.at(2.0) < 0.25
    assert pressure.at(20.0) < 1e-6


def test_relief_starts_the_wait_anew() -> None:
    pressure = Pressure(window=1.0, now=0.0)
    pressure.note(0.0, waiting=True)
    pressure.relieve(5.0)
    assert pressure.at(5.0) == 0
    assert pressure.time_left(5.0) == pytest.approx(0.6931, abs=1e-3)


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=30))
def test_pressure_is_a_fraction_and_its_forecast_holds(steps: list[tuple[float, bool]]) -> None:
    pressure, now = Pressure(window=0.5, now=0.0), 0.0
    for wait, waiting in steps:
        now += wait
        pressure.note(now, waiting)
        assert 0 <= pressure.at(now) <= 1
        left = pressure.time_left(now)
        if left:
            assert pressure.at(now + left) == pytest.approx(Pressure.LIMIT, abs=1e-6)


def test_units_that_die_in_a_row_are_replaced_ever_later() -> None:
    settings = FleetSettings(backoff=0.5, longest_backoff=10)
    assert [retry_delay(settings, deaths) for deaths in (1, 2, 3, 4, 100)] == [0, 0.5, 1, 2, 10]
