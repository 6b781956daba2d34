"""The statuses of SageMaker endpoints, the changes between them, and which variant a request goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum


class EndpointStatus(StrEnum):
    OUT_OF_SERVICE = "OutOfService"
    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"


_E = EndpointStatus

TRANSITIONS: Mapping[EndpointStatus, frozenset[EndpointStatus]] = {
    _E.CREATING: frozenset({_E.IN_SERVICE, _E.FAILED, _E.DELETING}),
    _E.IN_SERVICE: frozenset({_E.UPDATING, _E.SYSTEM_UPDATING, _E.DELETING}),
    _E.UPDATING: frozenset({_E.IN_SERVICE, _E.ROLLING_BACK, _E.DELETING}),
    _E.SYSTEM_UPDATING: frozenset({_E.IN_SERVICE, _E.DELETING}),
    _E.ROLLING_BACK: frozenset({_E.IN_SERVICE, _E.UPDATE_ROLLBACK_FAILED, _E.DELETING}),
    _E.FAILED: frozenset({_E.DELETING}),
    _E.OUT_OF_SERVICE: frozenset({_E.DELETING}),
    _E.UPDATE_ROLLBACK_FAILED: frozenset({_E.DELETING}),
    _E.DELETING: frozenset(),
}

SERVING = frozenset({_E.IN_SERVICE, _E.UPDATING, _E.SYSTEM_UPDATING, _E.ROLLING_BACK})
"""Requests are answered, by the deployment that was there before an update."""
RUNNING = SERVING | {_E.CREATING}
"""Containers run, or are being brought up."""
CHANGING = frozenset({_E.CREATING, _E.UPDATING, _E.SYSTEM_UPDATING, _E.ROLLING_BACK, _E.DELETING})


def sources(new: EndpointStatus) -> frozenset[EndpointStatus]:
    """The statuses from which an endpoint may become `new`."""
    return frozenset(old for old, targets in TRANSITIONS.items() if new in targets)


def choose(weights: Sequence[float], roll: float) -> int | None:
    """Which of several variants a request goes to: each gets its weight's share of all rolls in [0, 1).

    A variant of weight 0 gets none; None where every weight is 0.
    """
    total = sum(weights)
    if total <= 0:
        return None
    mark, last = roll * total, None
    for index, weight in enumerate(weights):
        if weight > 0:
            last = index
            mark -= weight
            if mark < 0:
                return index
    return last  # rounding left a rest
