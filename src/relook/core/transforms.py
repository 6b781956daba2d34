"""The statuses of SageMaker transform jobs, and the changes between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class TransformStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


_T = TransformStatus

TRANSITIONS: Mapping[TransformStatus, frozenset[TransformStatus]] = {
    _T.IN_PROGRESS: frozenset({_T.COMPLETED, _T.FAILED, _T.STOPPING}),
    _T.STOPPING: frozenset({_T.STOPPED}),  # whatever happens meanwhile: a stopped job leaves no output
    _T.COMPLETED: frozenset(),
    _T.FAILED: frozenset(),
    _T.STOPPED: frozenset(),
}


def sources(new: TransformStatus) -> frozenset[TransformStatus]:
    """The statuses from which a job may become `new`."""
    return frozenset(old for old, targets in TRANSITIONS.items() if new in targets)
