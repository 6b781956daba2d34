"""The entries of a dataset, and their labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.custom_labels.states import DATASET_COMPLETE, DATASET_IN_PROGRESS, DatasetStatus
from relook.core.custom_labels.statistics import EntryFilter, LabelStats
from relook.jobs.queue import enqueue
from relook.services.rekognition.dataset_steps import LANE, UPDATE_JOB
from relook.services.rekognition.errors import in_use, invalid, not_ready
from relook.services.rekognition.lookups import arn_in, require_dataset
from relook.services.rekognition.pages import paged, paged_by_name
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset


class Entries:
    """ListDatasetEntries, ListDatasetLabels, UpdateDatasetEntries."""

    def __init__(self, store: Store, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._wake_jobs = wake_jobs

    @operation("ListDatasetEntries", resource=arn_in("DatasetArn"))
    def list(self, context: RequestContext, members: Members) -> Members:
        """In the order the images came into the dataset; filters combine with AND."""
        wanted = EntryFilter(
            labels=frozenset(members["ContainsLabels"]) if "ContainsLabels" in members else None,
            labeled=members.get("Labeled"),
            contains=members.get("SourceRefContains"),
            errors=members.get("HasErrors", False),
        )
        filters = (wanted.labeled, wanted.contains, wanted.errors, *sorted(wanted.labels or ()))
        with self._store.read() as connection:
            dataset = _readable(connection, context, members["DatasetArn"])
            found, token = paged(
                context,
                members,
                ("ListDatasetEntries", dataset.id, *filters),
                lambda after, limit: entries.page(connection, dataset.id, wanted, after=after, limit=limit),
                lambda item: item[0],
            )
        return {"DatasetEntries": [line for _, line in found], **token}

    @operation("ListDatasetLabels", resource=arn_in("DatasetArn"))
    def labels(self, context: RequestContext, members: Members) -> Members:
        """By name."""
        with self._store.read() as connection:
            dataset = _readable(connection, context, members["DatasetArn"])
            found, token = paged_by_name(
                context,
                members,
                ("ListDatasetLabels", dataset.id),
                entries.label_stats(connection, dataset.id),
                lambda label: label.name,
            )
        return {"DatasetLabelDescriptions": [_described(label) for label in found], **token}

    @operation("UpdateDatasetEntries", resource=arn_in("DatasetArn"))
    def update(self, context: RequestContext, members: Members) -> Members:
        """A job puts each line in the place of its source-ref's entry, or at the end: all of them, or none."""
        with self._store.write() as connection:
            dataset = require_dataset(connection, context, members["DatasetArn"])
            if dataset.status is DatasetStatus.CREATE_FAILED:
                raise invalid(f"Dataset {dataset.name} could not be created; delete it, and create it anew")
            if dataset.status not in DATASET_COMPLETE:
                raise in_use(f"Dataset {dataset.name} is {dataset.status}; wait until that has ended")
            status = DatasetStatus.UPDATE_IN_PROGRESS
            datasets.change_status(connection, dataset.id, status, DATASET_IN_PROGRESS[status], context.now)
            datasets.keep_changes(connection, dataset.id, bytes(members["Changes"]["GroundTruth"]))
            payload, subject = {"dataset": dataset.id}, str(dataset.name)
            enqueue(connection, kind=UPDATE_JOB, lane=LANE, subject=subject, payload=payload, now=context.now)
        self._wake_jobs()
        return {}


def _readable(connection: Connection, context: RequestContext, arn: str) -> Dataset:
    dataset = require_dataset(connection, context, arn)
    if dataset.status is DatasetStatus.UPDATE_IN_PROGRESS:
        raise in_use(f"Dataset {arn} is {dataset.status}; wait until that has ended")
    if dataset.status not in DATASET_COMPLETE:
        raise not_ready(f"Dataset {arn} is {dataset.status}: there is nothing to list")
    return dataset


def _described(label: LabelStats) -> dict[str, Any]:
    """BoundingBoxCount is not there for labels that no box has."""
    stats = {"EntryCount": label.entries}
    if label.boxes is not None:
        stats["BoundingBoxCount"] = label.boxes
    return {"LabelName": label.name, "LabelStats": stats}
