"""Datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.datasets import DatasetType
from relook.core.states import DATASET_DELETABLE, DatasetStatus
from relook.jobs.queue import enqueue
from relook.services.lookoutvision import messages
from relook.services.lookoutvision.dataset_jobs import CREATE_JOB, LANE
from relook.services.lookoutvision.errors import ResourceType, conflict, validation
from relook.services.lookoutvision.lookups import (
    dataset_id,
    dataset_subject,
    require_dataset,
    require_project,
    scope_of,
)
from relook.services.lookoutvision.projects import dataset_metadata
from relook.services.lookoutvision.replays import Call
from relook.store import lookoutvision_datasets as datasets
from relook.store.engine import Store
from relook.store.lookoutvision_datasets import Dataset


class Datasets:
    """CreateDataset, DescribeDataset, DeleteDataset."""

    def __init__(self, store: Store, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._wake_jobs = wake_jobs

    @operation("CreateDataset")
    def create(self, context: RequestContext, members: Members) -> Members:
        """With a source a job reads the manifest; without one the dataset is complete, and empty, at once."""
        name, kind = members["ProjectName"], DatasetType(members["DatasetType"])
        resource = dataset_id(name, kind)
        call = Call.of(context, "CreateDataset", resource, members)
        with self._store.write() as connection:
            first = call.replay(
                connection,
                lambda message: conflict(ResourceType.DATASET, resource, message),
                lambda made: datasets.get(connection, made) is not None,
            )
            if first is not None:
                return first
            project = require_project(connection, scope_of(context), name)
            if datasets.find(connection, project.id, kind) is not None:
                raise conflict(
                    ResourceType.DATASET,
                    resource,
                    f"Project {name} already has a {kind} dataset; delete it first to replace it, "
                    "or add to it with UpdateDatasetEntries",
                )
            dataset = _create(connection, context, members, project.id, kind)
            result = call.remember(connection, {"DatasetMetadata": dataset_metadata(dataset)}, dataset.id)
        self._wake_jobs()
        return result

    @operation("DescribeDataset")
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            project = require_project(connection, scope_of(context), members["ProjectName"])
            dataset = require_dataset(connection, project, DatasetType(members["DatasetType"]))
            stats = datasets.stats(connection, dataset.id)
        return {
            "DatasetDescription": {
                "ProjectName": project.name,
                **dataset_metadata(dataset),
                "LastUpdatedTimestamp": as_datetime(dataset.updated),
                "ImageStats": {
                    "Total": stats.total,
                    "Labeled": stats.labeled,
                    "Normal": stats.normal,
                    "Anomaly": stats.anomaly,
                },
            }
        }

    @operation("DeleteDataset")
    def delete(self, context: RequestContext, members: Members) -> Members:
        """Gone when this returns: clients create the next one of this type at once. Trainings keep what they copied."""
        name, kind = members["ProjectName"], DatasetType(members["DatasetType"])
        resource = dataset_id(name, kind)
        call = Call.of(context, "DeleteDataset", resource, members)
        with self._store.write() as connection:
            if (first := call.replay(connection, validation)) is not None:
                return first
            project = require_project(connection, scope_of(context), name)
            dataset = require_dataset(connection, project, kind)
            if dataset.status not in DATASET_DELETABLE:
                raise conflict(
                    ResourceType.DATASET,
                    resource,
                    f"Dataset {resource} is {dataset.status}; wait until that has ended, then delete it",
                )
            datasets.remove(connection, dataset.id)
            return call.remember(connection, {}, dataset.id)


def _create(
    connection: Connection, context: RequestContext, members: Members, project_id: int, kind: DatasetType
) -> Dataset:
    if "DatasetSource" not in members:
        status, message = DatasetStatus.CREATE_COMPLETE, messages.DATASET_CREATED
        return datasets.create(connection, project_id, kind, status, message, context.now)
    source: dict[str, Any] | None = members["DatasetSource"].get("GroundTruthManifest", {}).get("S3Object")
    if source is None:
        raise validation(
            "DatasetSource needs GroundTruthManifest.S3Object; leave DatasetSource out for an empty dataset"
        )
    status, message = DatasetStatus.CREATE_IN_PROGRESS, messages.DATASET_CREATING
    dataset = datasets.create(connection, project_id, kind, status, message, context.now)
    enqueue(
        connection,
        kind=CREATE_JOB,
        lane=LANE,
        subject=dataset_subject(scope_of(context), members["ProjectName"], kind),
        payload={
            "dataset": dataset.id,
            "account": context.account,
            "bucket": source["Bucket"],
            "key": source["Key"],
            "version": source.get("VersionId"),
        },
        now=context.now,
    )
    return dataset
