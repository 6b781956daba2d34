"""The test dataset that a training makes of a fifth of the training dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection

from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.states import (
    DATASET_COMPLETE,
    DATASET_CREATED_EMPTY,
    DATASET_IN_PROGRESS,
    DatasetStatus,
)
from relook.jobs.queue import enqueue
from relook.services.rekognition.dataset_steps import LANE, SPLIT_JOB
from relook.services.rekognition.distribution import Distribution, distribute, fits_a_transaction
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store import rekognition_versions as versions


def move_test_images(
    connection: Connection, project_id: int, version_id: int, source_refs: Sequence[str], now: int
) -> bool:
    """Move these entries from the train to the test dataset, which is made where there is none; many of them in a job.

    Done already counts as done. False, and nothing changed, where the datasets are not as they were: one is busy or
    gone, the test dataset has other entries, or an entry has another line than the version's training began with.
    """
    found = datasets.of_project(connection, project_id)
    train, test = found.get(DatasetType.TRAIN), found.get(DatasetType.TEST)
    if train is None or any(dataset.status not in DATASET_COMPLETE for dataset in found.values()):
        return False
    if test is not None and (held := entries.count(connection, test.id)):
        return held == len(source_refs) == len(entries.positions(connection, test.id, source_refs))
    chosen = sorted(entries.positions(connection, train.id, source_refs).values())
    if versions.relabelled(connection, version_id, chosen):
        return False
    if test is None:
        status = DatasetStatus.CREATE_COMPLETE
        test = datasets.create(connection, project_id, DatasetType.TEST, status, DATASET_CREATED_EMPTY, now)
    updating = DatasetStatus.UPDATE_IN_PROGRESS
    for dataset in (train, test):
        datasets.change_status(connection, dataset.id, updating, DATASET_IN_PROGRESS[updating], now)
    pair = Distribution(train.id, test.id)
    if fits_a_transaction(connection, train.id):
        distribute(connection, pair, chosen, now)
    else:
        payload = {**asdict(pair), "chosen": chosen}
        enqueue(connection, kind=SPLIT_JOB, lane=LANE, subject=str(train.name), payload=payload, now=now)
    return True
