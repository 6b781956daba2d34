from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import pytest

from relook.aws.models import botocore_model
from relook.core.custom_labels import states
from relook.core.custom_labels.states import (
    DATASET_TRANSITIONS,
    VERSION_TRANSITIONS,
    DatasetStatus,
    MessageCode,
    ProjectStatus,
    VersionStatus,
)

TABLES: list[tuple[Mapping[StrEnum, frozenset[StrEnum]], type[StrEnum]]] = [
    (DATASET_TRANSITIONS, DatasetStatus),  # type: ignore[list-item]
    (VERSION_TRANSITIONS, VersionStatus),  # type: ignore[list-item]
]


@pytest.mark.parametrize(
    ("ours", "shape", "without"),
    [
        (ProjectStatus, "ProjectStatus", set()),
        (DatasetStatus, "DatasetStatus", set()),
        (MessageCode, "DatasetStatusMessageCode", set()),
        (VersionStatus, "ProjectVersionStatus", {"DEPRECATED", "EXPIRED"}),
    ],
    ids=["project", "dataset", "message-code", "version"],
)
def test_the_values_are_those_of_the_service_model(ours: type[StrEnum], shape: str, without: set[str]) -> None:
    assert {str(value) for value in ours} == set(botocore_model("rekognition").shape_for(shape).enum) - without


@pytest.mark.parametrize(("table", "kind"), TABLES, ids=["datasets", "versions"])
def test_every_status_is_in_the_table_and_reached(
    table: Mapping[StrEnum, frozenset[StrEnum]], kind: type[StrEnum]
) -> None:
    assert set(table) == set(kind)
    starts = {"CREATE_IN_PROGRESS", "TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS"}
    assert set().union(*table.values()) == set(kind) - {kind(one) for one in starts if one in set(kind)}


def test_what_may_be_done_is_what_the_tables_allow() -> None:
    assert states.version_sources(VersionStatus.STARTING) == states.VERSION_STARTABLE
    assert states.version_sources(VersionStatus.DELETING) == states.VERSION_DELETABLE
    assert states.version_sources(VersionStatus.STOPPING) == states.VERSION_STOPPABLE
    assert states.dataset_sources(DatasetStatus.DELETE_IN_PROGRESS) == states.DATASET_DELETABLE
    assert states.dataset_sources(DatasetStatus.UPDATE_IN_PROGRESS) == states.DATASET_COMPLETE


def test_a_model_that_trains_or_runs_is_not_deleted_and_a_failed_training_not_started() -> None:
    busy = {"TRAINING_IN_PROGRESS", "STARTING", "RUNNING", "STOPPING", "DELETING", "COPYING_IN_PROGRESS"}
    assert {str(status) for status in set(VersionStatus) - states.VERSION_DELETABLE} == busy
    assert VersionStatus.TRAINING_FAILED in states.VERSION_NEVER_STARTABLE
    assert VersionStatus.TRAINING_FAILED not in states.VERSION_TRAINED


def test_every_status_has_a_message_unless_its_reason_is_the_message() -> None:
    failed = {VersionStatus.TRAINING_FAILED, VersionStatus.FAILED, VersionStatus.COPYING_FAILED}
    assert set(states.VERSION_MESSAGES) == set(VersionStatus) - failed
    assert set(states.DATASET_IN_PROGRESS) == set(DatasetStatus) - states.DATASET_DELETABLE
