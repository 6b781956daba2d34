"""How many instances a variant shall have: target tracking over the requests of each minute, as pure rules.

As CloudWatch's alarms do: three minutes above the target add instances, fifteen well below it take some away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OUT_MINUTES, IN_MINUTES = 3, 15
_WELL_BELOW = 0.9
_COOLDOWN_SECONDS = 300
_SECOND = 1000


@dataclass(frozen=True, slots=True)
class VariantState:
    """`count` instances are wanted now; while `changing` nothing else can be asked for."""

    count: int
    changing: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """`least` <= `most` instances, and whether either way is held up."""

    least: int
    most: int
    in_suspended: bool = False
    out_suspended: bool = False


@dataclass(frozen=True, slots=True)
class Tracking:
    """A policy: `target` requests a minute for each instance; cooldowns in seconds."""

    target: float
    out_cooldown: int = _COOLDOWN_SECONDS
    in_cooldown: int = _COOLDOWN_SECONDS
    scales_in: bool = True


@dataclass(frozen=True, slots=True)
class Past:
    """When instances were last added and taken away, in milliseconds; None for never."""

    scaled_out: int | None = None
    scaled_in: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`count` instances, and the reason in words."""

    count: int
    cause: str


def decide(
    count: int, bounds: Bounds, policies: Mapping[str, Tracking], metric: Sequence[float], past: Past, now: int
) -> Decision | None:
    """The next number of instances, None to leave it.

    `metric` are the requests per instance of the last whole minutes, oldest first, none from before anybody counted.
    The policy that wants most wins; instances are taken away only if every policy that may do so agrees.
    """
    outside = _into_bounds(count, bounds)
    return (
        outside or _out(count, bounds, policies, metric, past, now) or _in(count, bounds, policies, metric, past, now)
    )


def _into_bounds(count: int, bounds: Bounds) -> Decision | None:
    if count < bounds.least and not bounds.out_suspended:
        return Decision(bounds.least, f"minimum capacity was set to {bounds.least}")
    if count > bounds.most and not bounds.in_suspended:
        return Decision(bounds.most, f"maximum capacity was set to {bounds.most}")
    return None


def _out(
    count: int, bounds: Bounds, policies: Mapping[str, Tracking], metric: Sequence[float], past: Past, now: int
) -> Decision | None:
    if bounds.out_suspended or len(metric) < OUT_MINUTES:
        return None
    recent, best = metric[-OUT_MINUTES:], None
    for name, policy in policies.items():
        if min(recent) <= policy.target or _cooling(past.scaled_out, policy.out_cooldown, now):
            continue
        wanted = min(math.ceil(max(count, 1) * recent[-1] / policy.target), bounds.most)
        if wanted > (best.count if best else count):
            best = Decision(wanted, f"policy {name}: above {policy.target:g} in {OUT_MINUTES} minutes in a row")
    return best


def _in(
    count: int, bounds: Bounds, policies: Mapping[str, Tracking], metric: Sequence[float], past: Past, now: int
) -> Decision | None:
    able = {name: policy for name, policy in policies.items() if policy.scales_in}
    if bounds.in_suspended or len(metric) < IN_MINUTES or not able:
        return None
    peak, most = max(metric[-IN_MINUTES:]), None
    for name, policy in able.items():
        if peak >= _WELL_BELOW * policy.target or _cooling(past.scaled_in, policy.in_cooldown, now):
            return None
        wanted = max(math.ceil(count * peak / policy.target), bounds.least)
        if most is None or wanted > most.count:
            limit = _WELL_BELOW * policy.target
            most = Decision(wanted, f"policy {name}: below {limit:g} in {IN_MINUTES} minutes in a row")
    return most if most is not None and most.count < count else None


def _cooling(last: int | None, cooldown: int, now: int) -> bool:
    return last is not None and now - last < cooldown * _SECOND
