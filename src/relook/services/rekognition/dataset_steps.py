"""What the jobs of datasets have in common."""

from __future__ import annotations

from sqlalchemy import Connection

from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.states import DatasetStatus, MessageCode
from relook.jobs.api import JobContext
from relook.jobs.child import CANCELLED_REASON
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset

LANE = "label-dataset"
CREATE_JOB = "label-dataset-create"
COPY_JOB = "label-dataset-copy"
UPDATE_JOB = "label-dataset-update"
DISTRIBUTE_JOB = "label-dataset-distribute"
SPLIT_JOB = "label-dataset-split"
PURGE_JOB = "label-dataset-purge"

AT_ONCE = 500
"""Entries to a transaction: each may have dozens of labels, and other writers wait meanwhile."""
SOURCE_GONE = "The dataset to be copied was deleted."
SOURCE_CHANGED = "The dataset to be copied was changed meanwhile; create the copy again."


def found_in(connection: Connection, dataset_id: int, status: DatasetStatus) -> Dataset | None:
    """The dataset if it is in this status; None where it has moved on."""
    dataset = datasets.get(connection, dataset_id)
    return dataset if dataset is not None and dataset.status is status else None


def clear(store: Store, context: JobContext, dataset_id: int) -> None:
    """Take all entries away, in transactions that keep nobody waiting."""
    removed = 0
    while True:
        with store.write() as connection:
            some = entries.remove_some(connection, dataset_id, AT_ONCE)
        if some == 0:
            return
        removed += some
        context.progress("removing entries", removed, 0)


def code_of(reason: str) -> MessageCode:
    """Whose fault a failure is: the client's where the reason is one of those it can do something about."""
    known = {*(error.message for error in FileError), SOURCE_GONE, SOURCE_CHANGED, CANCELLED_REASON}
    return MessageCode.CLIENT_ERROR if reason in known else MessageCode.SERVICE_ERROR


def nothing(connection: Connection) -> None:
    """The completion of a job whose dataset has moved on without it."""
