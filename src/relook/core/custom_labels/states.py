"""The statuses of projects, datasets and model versions, the changes between them, and what may be done in which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ProjectStatus(StrEnum):
    """Projects are made and deleted at once."""

    CREATING = "CREATING"
    CREATED = "CREATED"
    DELETING = "DELETING"


class DatasetStatus(StrEnum):
    """What the last operation on a dataset came to."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"


class MessageCode(StrEnum):
    """`StatusMessageCode` of a dataset."""

    SUCCESS = "SUCCESS"
    SERVICE_ERROR = "SERVICE_ERROR"
    CLIENT_ERROR = "CLIENT_ERROR"


class VersionStatus(StrEnum):
    """FAILED is a failure to run, not to train. DEPRECATED and EXPIRED, of adapters alone, do not occur here."""

    TRAINING_IN_PROGRESS = "TRAINING_IN_PROGRESS"
    TRAINING_COMPLETED = "TRAINING_COMPLETED"
    TRAINING_FAILED = "TRAINING_FAILED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    DELETING = "DELETING"
    COPYING_IN_PROGRESS = "COPYING_IN_PROGRESS"
    COPYING_COMPLETED = "COPYING_COMPLETED"
    COPYING_FAILED = "COPYING_FAILED"


_D, _V = DatasetStatus, VersionStatus

_DATASET_NEXT = frozenset({_D.UPDATE_IN_PROGRESS, _D.DELETE_IN_PROGRESS})
DATASET_TRANSITIONS: Mapping[DatasetStatus, frozenset[DatasetStatus]] = {
    _D.CREATE_IN_PROGRESS: frozenset({_D.CREATE_COMPLETE, _D.CREATE_FAILED}),
    _D.CREATE_COMPLETE: _DATASET_NEXT,
    _D.CREATE_FAILED: frozenset({_D.DELETE_IN_PROGRESS}),
    _D.UPDATE_IN_PROGRESS: frozenset({_D.UPDATE_COMPLETE, _D.UPDATE_FAILED}),
    _D.UPDATE_COMPLETE: _DATASET_NEXT,
    _D.UPDATE_FAILED: _DATASET_NEXT,
    _D.DELETE_IN_PROGRESS: frozenset(),
}

VERSION_TRANSITIONS: Mapping[VersionStatus, frozenset[VersionStatus]] = {
    _V.TRAINING_IN_PROGRESS: frozenset({_V.TRAINING_COMPLETED, _V.TRAINING_FAILED}),
    _V.TRAINING_COMPLETED: frozenset({_V.STARTING, _V.DELETING}),
    _V.TRAINING_FAILED: frozenset({_V.DELETING}),
    _V.STARTING: frozenset({_V.RUNNING, _V.FAILED, _V.STOPPING}),
    # A running model fails when its units cannot be brought back, after a restart of the server for one.
    _V.RUNNING: frozenset({_V.STOPPING, _V.FAILED}),
    _V.FAILED: frozenset({_V.STARTING, _V.DELETING}),
    _V.STOPPING: frozenset({_V.STOPPED}),
    _V.STOPPED: frozenset({_V.STARTING, _V.DELETING}),
    _V.DELETING: frozenset(),
    _V.COPYING_IN_PROGRESS: frozenset({_V.COPYING_COMPLETED, _V.COPYING_FAILED}),
    _V.COPYING_COMPLETED: frozenset({_V.STARTING, _V.DELETING}),
    _V.COPYING_FAILED: frozenset({_V.DELETING}),
}

DATASET_COMPLETE = frozenset({_D.CREATE_COMPLETE, _D.UPDATE_COMPLETE, _D.UPDATE_FAILED})
"""At rest with content: it may be listed, changed, copied and trained on. A failed update keeps the old."""
DATASET_DELETABLE = DATASET_COMPLETE | {_D.CREATE_FAILED}

VERSION_STARTABLE = frozenset({_V.TRAINING_COMPLETED, _V.STOPPED, _V.COPYING_COMPLETED, _V.FAILED})
VERSION_NEVER_STARTABLE = frozenset({_V.TRAINING_FAILED, _V.COPYING_FAILED})
"""No wait makes these startable: InvalidParameterException. What is neither here nor startable is in use."""
VERSION_GIVEN_UP = VERSION_NEVER_STARTABLE
"""Nothing more is written to the output: what it has, it has."""
VERSION_STOPPABLE = frozenset({_V.RUNNING, _V.STARTING})
VERSION_DETECTING = frozenset({_V.RUNNING})
VERSION_DELETABLE = VERSION_STARTABLE | VERSION_NEVER_STARTABLE
VERSION_TRAINED = VERSION_STARTABLE | {_V.STARTING, _V.RUNNING, _V.STOPPING}
"""There is a model: it may be copied."""
VERSION_HOSTED = frozenset({_V.STARTING, _V.RUNNING, _V.STOPPING})
"""Units may be up."""

VERSION_MESSAGES: Mapping[VersionStatus, str] = {
    _V.TRAINING_IN_PROGRESS: "The model is being trained.",
    _V.TRAINING_COMPLETED: "The model is ready to run.",
    _V.STARTING: "The model is starting.",
    _V.RUNNING: "The model is running.",
    _V.STOPPING: "The model is stopping.",
    _V.STOPPED: "The model is stopped.",
    _V.DELETING: "The model is being deleted.",
    _V.COPYING_IN_PROGRESS: "The model is being copied.",
    _V.COPYING_COMPLETED: "The model is ready to run.",
}
"""`StatusMessage`; the three failed statuses have the reason of their failure instead."""

DATASET_CREATED_EMPTY = "The dataset was successfully created without images."
DATASET_CREATED_FROM_MANIFEST = "The dataset was successfully created from the manifest file."
DATASET_CREATED_FROM_DATASET = "The dataset was successfully copied from the other dataset."
DATASET_UPDATED = "The dataset was successfully updated."
DATASET_DISTRIBUTED = "The dataset was successfully distributed."
DATASET_IN_PROGRESS: Mapping[DatasetStatus, str] = {
    _D.CREATE_IN_PROGRESS: "The dataset is being created.",
    _D.UPDATE_IN_PROGRESS: "The dataset is being updated.",
    _D.DELETE_IN_PROGRESS: "The dataset is being deleted.",
}
"""`StatusMessage` beside MessageCode.SUCCESS while the operation runs."""


def dataset_sources(new: DatasetStatus) -> frozenset[DatasetStatus]:
    """The statuses from which a dataset may become `new`."""
    return frozenset(old for old, targets in DATASET_TRANSITIONS.items() if new in targets)


def version_sources(new: VersionStatus) -> frozenset[VersionStatus]:
    """The statuses from which a model version may become `new`."""
    return frozenset(old for old, targets in VERSION_TRANSITIONS.items() if new in targets)
