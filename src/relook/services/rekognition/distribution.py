"""DistributeDatasetEntries: a fifth of the train dataset moves to the empty test dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.custom_labels import states
from relook.core.custom_labels.distribution import NotEnoughImages, held_out
from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.states import DATASET_COMPLETE, DATASET_IN_PROGRESS, DatasetStatus, MessageCode
from relook.jobs.queue import enqueue
from relook.services.rekognition.errors import invalid, not_ready
from relook.services.rekognition.lookups import either, require_dataset
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset

DISTRIBUTE_JOB = "label-dataset-distribute"
AT_ONCE = 5000
"""So many entries are distributed before the call returns: clients train right after it, without a look."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """The ids of the two datasets, both in UPDATE_IN_PROGRESS."""

    train: int
    test: int

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Distribution:
        return cls(payload["train"], payload["test"])


class Distributions:
    """DistributeDatasetEntries. `lane` is that of the jobs of datasets."""

    def __init__(self, store: Store, wake_jobs: Callable[[], None], lane: str) -> None:
        self._store = store
        self._wake_jobs = wake_jobs
        self._lane = lane

    @operation("DistributeDatasetEntries")
    def distribute(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            named = [require_dataset(connection, context, one["Arn"]) for one in members["Datasets"]]
            train, test = _pair(named)
            pair = Distribution(train.id, test.id)
            images = _check(connection, train, test)
            message = DATASET_IN_PROGRESS[DatasetStatus.UPDATE_IN_PROGRESS]
            for dataset in (train, test):
                new = DatasetStatus.UPDATE_IN_PROGRESS
                datasets.change_status(connection, dataset.id, new, message, context.now)
            if images <= AT_ONCE:
                distribute(connection, pair, choose(connection, pair), context.now)
                return {}
            payload = {"train": pair.train, "test": pair.test}
            subject, now = str(train.name), context.now
            enqueue(connection, kind=DISTRIBUTE_JOB, lane=self._lane, subject=subject, payload=payload, now=now)
        self._wake_jobs()
        return {}


def choose(connection: Connection, pair: Distribution) -> list[int] | None:
    """The positions of the entries to move; None where there are not enough images."""
    positions, items = entries.items(connection, pair.train)
    try:
        return [positions[index] for index in held_out(items, seed=_SEED)]
    except NotEnoughImages:
        return None


def distribute(connection: Connection, pair: Distribution, chosen: Sequence[int] | None, now: int) -> None:
    """What `choose` said, with what it makes of the two datasets."""
    if chosen is None:
        failed(connection, pair, str(NotEnoughImages()), MessageCode.CLIENT_ERROR, now)
        return
    train = datasets.get(connection, pair.train)
    assert train is not None, "a dataset that is being updated cannot be deleted"
    entries.move(connection, chosen, pair.test)
    new, message = DatasetStatus.UPDATE_COMPLETE, states.DATASET_DISTRIBUTED
    for dataset in (pair.train, pair.test):
        datasets.change_status(connection, dataset, new, message, now, bucket=train.bucket)


def failed(connection: Connection, pair: Distribution, reason: str, code: MessageCode, now: int) -> None:
    for dataset in (pair.train, pair.test):
        datasets.change_status(connection, dataset, DatasetStatus.UPDATE_FAILED, reason, now, code=code)


def _pair(named: Sequence[Dataset]) -> tuple[Dataset, Dataset]:
    """The train dataset and the test dataset of one project."""
    by_kind = {dataset.name.kind: dataset for dataset in named}
    if len(by_kind) != 2:
        raise invalid("Datasets must name one train dataset and one test dataset")
    train, test = by_kind[DatasetType.TRAIN], by_kind[DatasetType.TEST]
    if train.project_id != test.project_id:
        raise invalid("The two datasets must belong to the same project")
    return train, test


def _check(connection: Connection, train: Dataset, test: Dataset) -> int:
    """How many images there are to distribute."""
    for dataset in (train, test):
        if dataset.status not in DATASET_COMPLETE:
            needed = either(DATASET_COMPLETE)
            raise not_ready(f"Dataset {dataset.name} is {dataset.status}; DistributeDatasetEntries needs {needed}")
    images = entries.count(connection, train.id)
    if images == 0:
        raise invalid(f"Dataset {train.name} is empty: there is nothing to distribute")
    if entries.count(connection, test.id):
        raise invalid(f"Dataset {test.name} has entries; distribution needs an empty test dataset")
    return images
