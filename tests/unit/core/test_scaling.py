"""Target tracking: how many instances, from the requests of the last minutes."""

from __future__ import annotations

import pytest

from relook.core.scaling import Bounds, Decision, Past, Tracking, decide

NOW = 10_000_000
BOUNDS = Bounds(1, 10)
HUNDRED = {"p": Tracking(100.0)}


def count(
    now_has: int, *metric: float, bounds: Bounds = BOUNDS, past: Past | None = None, **policies: Tracking
) -> int | None:
    found = decide(now_has, bounds, policies or HUNDRED, metric, past or Past(), NOW)
    return None if found is None else found.count


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        ((101, 101), None),  # two minutes alone
        ((101, 101, 101), 3),
        ((500, 100, 500), None),  # not above in each
        ((100, 100, 100), None),  # at the target is not above
        ((101, 400, 250), 5),  # by the last minute
        ((900, 900, 900), 10),  # no more than the bounds let
    ],
)
def test_out_after_three_minutes_above(metric: tuple[float, ...], wanted: int | None) -> None:
    assert count(2, *metric) == wanted


@pytest.mark.parametrize(
    ("has", "metric", "wanted"),
    [
        (4, (10,) * 14, None),
        (4, (10,) * 15, 1),
        (4, (*(10,) * 14, 50), 2),  # by the busiest minute
        (4, (*(10,) * 14, 90), None),  # nine tenths of the target are not well below
        (4, (89,) * 15, None),  # three would be too busy
        (4, (0,) * 15, 1),
        (1, (0,) * 15, None),
    ],
)
def test_in_after_a_quarter_of_an_hour_well_below(has: int, metric: tuple[float, ...], wanted: int | None) -> None:
    assert count(has, *metric) == wanted


def test_none_left_when_the_bounds_let() -> None:
    assert count(3, *(0,) * 15, bounds=Bounds(0, 4)) == 0
    assert count(0, 150, 150, 150, bounds=Bounds(0, 4)) == 2


@pytest.mark.parametrize(("age", "wanted"), [(299_999, None), (300_000, 4)])
def test_cooldown_after_scaling_out(age: int, wanted: int | None) -> None:
    assert count(2, 200, 200, 200, past=Past(scaled_out=NOW - age)) == wanted


@pytest.mark.parametrize(("age", "wanted"), [(59_999, None), (60_000, 1)])
def test_cooldown_after_scaling_in_as_the_policy_says(age: int, wanted: int | None) -> None:
    policy = Tracking(100.0, in_cooldown=60)
    assert count(2, *(0,) * 15, past=Past(scaled_in=NOW - age), p=policy) == wanted


def test_cooldowns_of_one_way_do_not_hold_up_the_other() -> None:
    assert count(2, 200, 200, 200, past=Past(scaled_in=NOW)) == 4
    assert count(2, *(0,) * 15, past=Past(scaled_out=NOW)) == 1


def test_into_the_bounds_at_once() -> None:
    assert decide(1, Bounds(2, 4), {}, (), Past(scaled_out=NOW), NOW) == Decision(2, "minimum capacity was set to 2")
    assert decide(6, Bounds(2, 4), {}, (), Past(scaled_in=NOW), NOW) == Decision(4, "maximum capacity was set to 4")
    assert decide(3, Bounds(2, 4), {}, (), Past(), NOW) is None


def test_suspended_ways() -> None:
    out, back = Bounds(1, 10, out_suspended=True), Bounds(1, 10, in_suspended=True)
    assert (count(2, 200, 200, 200, bounds=out), count(2, 200, 200, 200, bounds=back)) == (None, 4)
    assert (count(2, *(0,) * 15, bounds=out), count(2, *(0,) * 15, bounds=back)) == (1, None)
    assert count(1, bounds=Bounds(2, 4, out_suspended=True)) is None
    assert count(5, bounds=Bounds(2, 4, in_suspended=True)) is None


def test_of_several_policies_the_one_that_wants_most() -> None:
    low, high = Tracking(50.0), Tracking(200.0)
    assert count(2, 120, 120, 120, low=low, high=high) == 5
    assert count(4, *(40,) * 15, low=low, high=high) is None  # four are needed for the one
    assert count(4, *(20,) * 15, low=low, high=high) == 2
    only_out = Tracking(50.0, scales_in=False)
    assert count(4, *(40,) * 15, low=only_out, high=high) == 1
    assert count(4, *(0,) * 15, low=only_out) is None


def test_the_reason_in_words() -> None:
    assert decide(1, BOUNDS, HUNDRED, (150, 150, 150), Past(), NOW) == Decision(
        2, "policy p: above 100 in 3 minutes in a row"
    )
    assert decide(2, BOUNDS, HUNDRED, (0,) * 15, Past(), NOW) == Decision(
        1, "policy p: below 90 in 15 minutes in a row"
    )
