"""Datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.clock import as_datetime
from relook.core.custom_labels import states
from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.states import (
    DATASET_COMPLETE,
    DATASET_DELETABLE,
    DATASET_IN_PROGRESS,
    DatasetStatus,
    VersionStatus,
)
from relook.core.custom_labels.statistics import DatasetStats
from relook.core.wording import either
from relook.jobs.queue import enqueue
from relook.services.rekognition.dataset_steps import COPY_JOB, CREATE_JOB, LANE, PURGE_JOB
from relook.services.rekognition.errors import already_exists, in_use, invalid, invalid_s3_object
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import arn_in, require_dataset, require_project
from relook.services.rekognition.projects import dataset_state
from relook.services.rekognition.tags import tag_new
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store import rekognition_projects as projects
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset
from relook.store.rekognition_projects import Project
from relook.store.rekognition_tags import Kind, Tagged

_REMOVED_AT_ONCE = 2000
"""A dataset with more entries than this loses them in a job, after it is gone for everybody."""


class Datasets:
    """CreateDataset, DescribeDataset, DeleteDataset."""

    def __init__(self, store: Store, blobs: Blobs, limits: Limits, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._blobs = blobs
        self._limits = limits
        self._wake_jobs = wake_jobs

    @operation("CreateDataset", resource=arn_in("ProjectArn"))
    def create(self, context: RequestContext, members: Members) -> Members:
        """With a source a job fills it; without one the dataset is complete, and empty, at once."""
        with self._store.read() as connection:
            _check_free(connection, context, members)
        manifest = self._manifest(context, members.get("DatasetSource"))
        with self._store.write() as connection:
            project = _check_free(connection, context, members)
            dataset = _create(connection, context, members, project, manifest)
            tag_new(connection, Tagged(Kind.DATASET, dataset.id), members, self._limits)
        self._wake_jobs()
        return {"DatasetArn": str(dataset.name)}

    @operation("DescribeDataset", resource=arn_in("DatasetArn"))
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            dataset = require_dataset(connection, context, members["DatasetArn"])
            # What is being created, and may yet fail, is not shown.
            hidden = dataset.status in (DatasetStatus.CREATE_IN_PROGRESS, DatasetStatus.CREATE_FAILED)
            stats = DatasetStats() if hidden else entries.stats(connection, dataset.id)
        return {
            "DatasetDescription": {
                "CreationTimestamp": as_datetime(dataset.name.created),
                "LastUpdatedTimestamp": as_datetime(dataset.updated),
                **dataset_state(dataset),
                "DatasetStats": {
                    "LabeledEntries": stats.labeled,
                    "TotalEntries": stats.total,
                    "TotalLabels": stats.labels,
                    "ErrorEntries": stats.errors,
                },
            }
        }

    @operation("DeleteDataset", resource=arn_in("DatasetArn"))
    def delete(self, context: RequestContext, members: Members) -> Members:
        """Gone when this returns: clients create the next one of this type at once."""
        with self._store.write() as connection:
            dataset = require_dataset(connection, context, members["DatasetArn"])
            if dataset.status not in DATASET_DELETABLE:
                raise in_use(f"Dataset {dataset.name} is {dataset.status}; wait until that has ended, then delete it")
            if projects.has_versions(connection, dataset.project_id, VersionStatus.TRAINING_IN_PROGRESS):
                raise in_use(f"Dataset {dataset.name}: a model version of its project is being trained")
            datasets.detach(connection, dataset.id)
            if entries.count(connection, dataset.id) <= _REMOVED_AT_ONCE:
                datasets.remove(connection, dataset.id)
                return {}
            payload, subject = {"dataset": dataset.id}, str(dataset.name)
            enqueue(connection, kind=PURGE_JOB, lane=LANE, subject=subject, payload=payload, now=context.now)
        self._wake_jobs()
        return {}

    def _manifest(self, context: RequestContext, source: Members | None) -> Mapping[str, Any] | None:
        """Where the manifest is, if one is given and there. InvalidParameterException, InvalidS3ObjectException."""
        if source is None:
            return None
        given = source.get("GroundTruthManifest", {}).get("S3Object")
        if ("GroundTruthManifest" in source) == ("DatasetArn" in source):
            raise invalid("DatasetSource takes one of GroundTruthManifest and DatasetArn; for no source, leave it out")
        if "DatasetArn" in source:
            return None
        if given is None or "Bucket" not in given or "Name" not in given:
            raise invalid("DatasetSource.GroundTruthManifest needs an S3Object with Bucket and Name")
        bucket, key, version = given["Bucket"], given["Name"], given.get("Version")
        try:
            self._blobs.size(context.account, bucket, key, version)
        except BlobError as error:
            raise invalid_s3_object(str(error)) from None
        return {"account": context.account, "bucket": bucket, "key": key, "version": version}


def _check_free(connection: Connection, context: RequestContext, members: Members) -> Project:
    """The project, if it has no dataset of this type."""
    project = require_project(connection, context, members["ProjectArn"])
    kind = DatasetType(members["DatasetType"])
    if kind in datasets.of_project(connection, project.id):
        message = f"Project {project.name.project} already has a {kind} dataset"
        raise already_exists(f"{message}; delete it first, or add to it with UpdateDatasetEntries")
    return project


def _create(
    connection: Connection,
    context: RequestContext,
    members: Members,
    project: Project,
    manifest: Mapping[str, Any] | None,
) -> Dataset:
    kind, now = DatasetType(members["DatasetType"]), context.now
    if "DatasetSource" not in members:
        message = states.DATASET_CREATED_EMPTY
        return datasets.create(connection, project.id, kind, DatasetStatus.CREATE_COMPLETE, message, now)
    job, source = CREATE_JOB, manifest
    if source is None:
        job, source = COPY_JOB, {"source": _source(connection, context, members["DatasetSource"]["DatasetArn"]).id}
    status = DatasetStatus.CREATE_IN_PROGRESS
    dataset = datasets.create(connection, project.id, kind, status, DATASET_IN_PROGRESS[status], now)
    payload = {"dataset": dataset.id, **source}
    enqueue(connection, kind=job, lane=LANE, subject=str(dataset.name), payload=payload, now=now)
    return dataset


def _source(connection: Connection, context: RequestContext, arn: str) -> Dataset:
    """The dataset to be copied, which must be at rest."""
    source = require_dataset(connection, context, arn)
    if source.status not in DATASET_COMPLETE:
        raise invalid(f"Dataset {arn} is {source.status}; to be copied it must be {either(DATASET_COMPLETE)}")
    return source
