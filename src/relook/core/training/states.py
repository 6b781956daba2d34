"""The statuses of a training job and the changes between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class TrainingStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class Stage(StrEnum):
    """SecondaryStatus."""

    STARTING = "Starting"
    RESTARTING = "Restarting"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    UPLOADING = "Uploading"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    COMPLETED = "Completed"
    FAILED = "Failed"


_T = TrainingStatus

TRANSITIONS: Mapping[TrainingStatus, frozenset[TrainingStatus]] = {
    # Straight to Stopped when its time was up.
    _T.IN_PROGRESS: frozenset({_T.COMPLETED, _T.FAILED, _T.STOPPING, _T.STOPPED}),
    _T.STOPPING: frozenset({_T.STOPPED, _T.FAILED}),
    _T.COMPLETED: frozenset(),
    _T.FAILED: frozenset(),
    _T.STOPPED: frozenset(),
}

ENDED = frozenset(status for status, after in TRANSITIONS.items() if not after)

MESSAGES: Mapping[Stage, str] = {
    Stage.STARTING: "Preparing the instances for training",
    Stage.RESTARTING: "The process that ran the training ended; it starts again",
    Stage.DOWNLOADING: "Downloading input data",
    Stage.TRAINING: "Training in progress",
    Stage.UPLOADING: "Uploading generated training model",
    Stage.STOPPING: "Stopping the training job",
    Stage.STOPPED: "Training job stopped",
    Stage.MAX_RUNTIME_EXCEEDED: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    Stage.COMPLETED: "Training job completed",
    Stage.FAILED: "Training job failed",
}


def sources(new: TrainingStatus) -> frozenset[TrainingStatus]:
    """The statuses that may become `new`."""
    return frozenset(old for old, after in TRANSITIONS.items() if new in after)
