"""DistributeDatasetEntries: a fifth of the train dataset moves to the empty test dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.custom_labels import states
from relook.core.custom_labels.distribution import NotEnoughImages, held_out
from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.states import DATASET_COMPLETE, DATASET_IN_PROGRESS, DatasetStatus, MessageCode
from relook.core.wording import either
from relook.jobs.api import JobContext, JobFailed
from relook.jobs.queue import enqueue
from relook.services.rekognition.dataset_steps import AT_ONCE, DISTRIBUTE_JOB, LANE, found_in
from relook.services.rekognition.errors import invalid, not_ready
from relook.services.rekognition.lookups import require_dataset
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.queries import batches
from relook.store.rekognition_datasets import Dataset

_BEFORE_THE_ANSWER = 10_000
"""So many entries, and labels of them, are distributed before the call returns: clients train right after it, without
a look. With more the one transaction would keep other writers waiting for seconds."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """The ids of the two datasets, both in UPDATE_IN_PROGRESS."""

    train: int
    test: int


class Distributions:
    """DistributeDatasetEntries."""

    def __init__(self, store: Store, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._wake_jobs = wake_jobs

    @operation("DistributeDatasetEntries")
    def distribute(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            named = [require_dataset(connection, context, one["Arn"]) for one in members["Datasets"]]
            train, test = _pair(named)
            pair = Distribution(train.id, test.id)
            _check(connection, train, test)
            message = DATASET_IN_PROGRESS[DatasetStatus.UPDATE_IN_PROGRESS]
            for dataset in (train, test):
                new = DatasetStatus.UPDATE_IN_PROGRESS
                datasets.change_status(connection, dataset.id, new, message, context.now)
            if fits_a_transaction(connection, train.id):
                chosen = _choose(connection, pair)
                entries.move(connection, chosen or (), pair.test)
                finish(connection, pair, chosen is not None, context.now)
                return {}
            subject, payload = str(train.name), asdict(pair)
            enqueue(connection, kind=DISTRIBUTE_JOB, lane=LANE, subject=subject, payload=payload, now=context.now)
        self._wake_jobs()
        return {}


def fits_a_transaction(connection: Connection, dataset_id: int) -> bool:
    """Whether a fifth of the dataset can be moved at once without keeping other writers waiting."""
    return entries.count(connection, dataset_id) + entries.count_uses(connection, dataset_id) <= _BEFORE_THE_ANSWER


def distribute(connection: Connection, pair: Distribution, chosen: Sequence[int], now: int) -> None:
    """Move the entries at these positions to the test dataset, and be done."""
    entries.move(connection, chosen, pair.test)
    finish(connection, pair, True, now)


def move_in_steps(store: Store, context: JobContext, pair: Distribution) -> bool:
    """Move what is to be tested with; False, and nothing moved, where there are not enough images.

    In transactions that keep nobody waiting, for nobody else looks into the two datasets meanwhile. What an attempt
    before this one has moved goes back first, so that the same are chosen.
    """
    while some := _step(store, pair, pair.train, None):
        context.progress("moving entries back", len(some), 0)
    with store.read() as connection:
        chosen = _choose(connection, pair)
    move_chosen(store, context, pair, chosen or ())
    return chosen is not None


def move_chosen(store: Store, context: JobContext, pair: Distribution, chosen: Sequence[int]) -> None:
    """Move the entries at these positions to the test dataset; those that are there already stay."""
    for done, some in enumerate(batches(chosen, AT_ONCE)):
        context.progress("moving entries", done * AT_ONCE, len(chosen))
        _step(store, pair, pair.test, some)


def _step(store: Store, pair: Distribution, target: int, chosen: Sequence[int] | None) -> Sequence[int]:
    """Move these entries, or where none are given some of the test dataset's; which ones."""
    with store.write() as connection:
        if found_in(connection, pair.test, DatasetStatus.UPDATE_IN_PROGRESS) is None:
            raise JobFailed("The datasets are not being distributed any more.")
        some = entries.some_positions(connection, pair.test, AT_ONCE) if chosen is None else chosen
        entries.move(connection, some, target)
    return some


def finish(connection: Connection, pair: Distribution, moved: bool, now: int) -> None:
    """What becomes of the two datasets."""
    if not moved:
        fail(connection, pair, str(NotEnoughImages()), MessageCode.CLIENT_ERROR, now)
        return
    train = datasets.get(connection, pair.train)
    assert train is not None, "a dataset that is being updated cannot be deleted"
    new, message = DatasetStatus.UPDATE_COMPLETE, states.DATASET_DISTRIBUTED
    for dataset in (pair.train, pair.test):
        datasets.change_status(connection, dataset, new, message, now, bucket=train.bucket)


def fail(connection: Connection, pair: Distribution, reason: str, code: MessageCode, now: int) -> None:
    """All entries go back to where they were: the test dataset was empty."""
    while some := entries.some_positions(connection, pair.test, AT_ONCE):
        entries.move(connection, some, pair.train)
    for dataset in (pair.train, pair.test):
        datasets.change_status(connection, dataset, DatasetStatus.UPDATE_FAILED, reason, now, code=code)


def _choose(connection: Connection, pair: Distribution) -> list[int] | None:
    """The positions of the entries to move; None where there are not enough images."""
    positions, items = entries.items(connection, pair.train)
    try:
        return [positions[index] for index in held_out(items, seed=_SEED)]
    except NotEnoughImages:
        return None


def _pair(named: Sequence[Dataset]) -> tuple[Dataset, Dataset]:
    """The train dataset and the test dataset of one project."""
    by_kind = {dataset.name.kind: dataset for dataset in named}
    if len(by_kind) != 2:
        raise invalid("Datasets must name one train dataset and one test dataset")
    train, test = by_kind[DatasetType.TRAIN], by_kind[DatasetType.TEST]
    if train.project_id != test.project_id:
        raise invalid("The two datasets must belong to the same project")
    return train, test


def _check(connection: Connection, train: Dataset, test: Dataset) -> None:
    """InvalidParameterException, ResourceNotReadyException."""
    for dataset in (train, test):
        if dataset.status not in DATASET_COMPLETE:
            needed = either(DATASET_COMPLETE)
            raise not_ready(f"Dataset {dataset.name} is {dataset.status}; DistributeDatasetEntries needs {needed}")
    if not entries.count(connection, train.id):
        raise invalid(f"Dataset {train.name} is empty: there is nothing to distribute")
    if entries.count(connection, test.id):
        raise invalid(f"Dataset {test.name} has entries; distribution needs an empty test dataset")
