"""The statuses of datasets and models, the changes between them, and what may be done in which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class DatasetStatus(StrEnum):
    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED_ROLLBACK_IN_PROGRESS = "UPDATE_FAILED_ROLLBACK_IN_PROGRESS"
    UPDATE_FAILED_ROLLBACK_COMPLETE = "UPDATE_FAILED_ROLLBACK_COMPLETE"


class ModelStatus(StrEnum):
    TRAINING = "TRAINING"
    TRAINED = "TRAINED"
    TRAINING_FAILED = "TRAINING_FAILED"
    STARTING_HOSTING = "STARTING_HOSTING"
    HOSTED = "HOSTED"
    HOSTING_FAILED = "HOSTING_FAILED"
    STOPPING_HOSTING = "STOPPING_HOSTING"
    SYSTEM_UPDATING = "SYSTEM_UPDATING"


class IllegalTransition(Exception):
    """The code tried a change of status that the tables here do not know."""

    def __init__(self, old: StrEnum, new: StrEnum) -> None:
        super().__init__(f"{old} cannot become {new}")


_D, _M = DatasetStatus, ModelStatus

DATASET_TRANSITIONS: Mapping[DatasetStatus, frozenset[DatasetStatus]] = {
    _D.CREATE_IN_PROGRESS: frozenset({_D.CREATE_COMPLETE, _D.CREATE_FAILED}),
    _D.CREATE_COMPLETE: frozenset({_D.UPDATE_IN_PROGRESS}),
    _D.CREATE_FAILED: frozenset(),
    _D.UPDATE_IN_PROGRESS: frozenset(
        {_D.UPDATE_COMPLETE, _D.UPDATE_FAILED_ROLLBACK_IN_PROGRESS, _D.UPDATE_FAILED_ROLLBACK_COMPLETE}
    ),
    _D.UPDATE_COMPLETE: frozenset({_D.UPDATE_IN_PROGRESS}),
    _D.UPDATE_FAILED_ROLLBACK_IN_PROGRESS: frozenset({_D.UPDATE_FAILED_ROLLBACK_COMPLETE}),
    _D.UPDATE_FAILED_ROLLBACK_COMPLETE: frozenset({_D.UPDATE_IN_PROGRESS}),
}

MODEL_TRANSITIONS: Mapping[ModelStatus, frozenset[ModelStatus]] = {
    _M.TRAINING: frozenset({_M.TRAINED, _M.TRAINING_FAILED}),
    _M.TRAINED: frozenset({_M.STARTING_HOSTING}),
    _M.TRAINING_FAILED: frozenset(),
    _M.STARTING_HOSTING: frozenset({_M.HOSTED, _M.HOSTING_FAILED, _M.STOPPING_HOSTING}),
    # A hosted model fails when its units cannot be brought back, after a restart of the server for one.
    _M.HOSTED: frozenset({_M.STOPPING_HOSTING, _M.SYSTEM_UPDATING, _M.HOSTING_FAILED}),
    _M.HOSTING_FAILED: frozenset({_M.STARTING_HOSTING}),
    _M.STOPPING_HOSTING: frozenset({_M.TRAINED}),
    _M.SYSTEM_UPDATING: frozenset({_M.HOSTED, _M.HOSTING_FAILED, _M.STOPPING_HOSTING}),
}

DATASET_COMPLETE = frozenset({_D.CREATE_COMPLETE, _D.UPDATE_COMPLETE, _D.UPDATE_FAILED_ROLLBACK_COMPLETE})
"""A dataset at rest with usable content: it may be updated and trained on."""
DATASET_DELETABLE = DATASET_COMPLETE | {_D.CREATE_FAILED}

MODEL_STARTABLE = frozenset({_M.TRAINED, _M.HOSTING_FAILED})
MODEL_STOPPABLE = frozenset({_M.HOSTED, _M.STARTING_HOSTING, _M.SYSTEM_UPDATING})
MODEL_DETECTING = frozenset({_M.HOSTED, _M.SYSTEM_UPDATING})
MODEL_DELETABLE = frozenset({_M.TRAINED, _M.TRAINING_FAILED, _M.HOSTING_FAILED})
MODEL_TRAINED = frozenset(_M) - {_M.TRAINING, _M.TRAINING_FAILED}
"""The statuses of a model that training has finished."""


def model_sources(new: ModelStatus) -> frozenset[ModelStatus]:
    """The statuses from which a model may become `new`."""
    return frozenset(old for old, targets in MODEL_TRANSITIONS.items() if new in targets)


def dataset_sources(new: DatasetStatus) -> frozenset[DatasetStatus]:
    """The statuses from which a dataset may become `new`."""
    return frozenset(old for old, targets in DATASET_TRANSITIONS.items() if new in targets)
