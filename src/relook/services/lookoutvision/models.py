"""Models."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, arn_of, operation
from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.datasets import DatasetType
from relook.core.names import SERVICE, ModelName
from relook.core.states import DATASET_COMPLETE, MODEL_DELETABLE
from relook.core.wording import either
from relook.jobs.queue import enqueue
from relook.services.lookoutvision import messages
from relook.services.lookoutvision.descriptions import model_description, model_metadata
from relook.services.lookoutvision.errors import Quota, ResourceType, conflict, quota_exceeded, validation
from relook.services.lookoutvision.limits import Limits
from relook.services.lookoutvision.lookups import (
    dataset_id,
    model_id,
    require_dataset,
    require_model,
    require_project,
    require_status,
    scope_of,
)
from relook.services.lookoutvision.pages import paged
from relook.services.lookoutvision.replays import Call
from relook.services.lookoutvision.tags import check_count, tag_map
from relook.services.lookoutvision.training import JOB, LANE
from relook.store import lookoutvision_datasets as datasets
from relook.store import lookoutvision_models as models
from relook.store import lookoutvision_projects as projects
from relook.store import lookoutvision_tags as tags
from relook.store.engine import Store
from relook.store.lookoutvision_datasets import Dataset
from relook.store.lookoutvision_projects import Project

_log = logging.getLogger(__name__)
_MODEL = arn_of(SERVICE, "model/{ProjectName}/{ModelVersion}")
_ANY_MODEL = arn_of(SERVICE, "model/{ProjectName}/*")
# The same data and seed give the same model; users compare versions, so every version has the same seed.
_SEED = 1


class Models:
    """CreateModel, DescribeModel, ListModels, DeleteModel."""

    def __init__(
        self, store: Store, blobs: Blobs, artifacts: Path, limits: Limits, wake_jobs: Callable[[], None]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._artifacts = artifacts
        self._limits = limits
        self._wake_jobs = wake_jobs

    @operation("CreateModel", resource=_ANY_MODEL)
    def create(self, context: RequestContext, members: Members) -> Members:
        """Start training on the datasets as they are now."""
        name = members["ProjectName"]
        call = Call.of(context, "CreateModel", name, members)
        # Asked before the transaction: a second connection inside it could wait for the pool forever.
        bucket_problem = self._bucket_problem(context, members["OutputConfig"]["S3Location"]["Bucket"])
        with self._store.write() as connection:
            first = call.replay(
                connection,
                lambda message: conflict(ResourceType.PROJECT, name, message),
                lambda made: models.get(connection, made) is not None,
            )
            if first is not None:
                return first
            project = require_project(connection, scope_of(context), name)
            found = _training_datasets(connection, project)
            if bucket_problem is not None:
                raise validation(f"OutputConfig: {bucket_problem}")
            created = self._create(connection, context, members, project, found)
            result = call.remember(connection, {"ModelMetadata": _metadata(connection, created)}, created)
        self._wake_jobs()
        return result

    @operation("DescribeModel", resource=_MODEL)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            model = require_model(connection, scope_of(context), members["ProjectName"], members["ModelVersion"])
            return {"ModelDescription": model_description(connection, model)}

    @operation("ListModels")
    def list(self, context: RequestContext, members: Members) -> Members:
        """By ascending version."""
        with self._store.read() as connection:
            project = require_project(connection, scope_of(context), members["ProjectName"])
            found, token = paged(
                context,
                members,
                ("ListModels", project.id),
                lambda after, limit: models.page(connection, project.id, after=after, limit=limit),
                lambda model: model.name.version,
            )
            return {"Models": [model_metadata(connection, model) for model in found], **token}

    @operation("DeleteModel", resource=_MODEL)
    def delete(self, context: RequestContext, members: Members) -> Members:
        """Gone when this returns; what a crash leaves of its artifact is swept at the next start."""
        name, version = members["ProjectName"], members["ModelVersion"]
        call = Call.of(context, "DeleteModel", model_id(name, version), members)
        with self._store.write() as connection:
            if (first := call.replay(connection, validation)) is not None:
                return first
            model = require_model(connection, scope_of(context), name, version)
            require_status(model, MODEL_DELETABLE, "DeleteModel")
            models.remove(connection, model.id)
            result = call.remember(connection, {"ModelArn": str(model.name)}, model.id)
        if model.artifact is not None:
            try:
                shutil.rmtree(self._artifacts / model.artifact)
            except OSError as error:
                _log.warning("the artifact of %s is left until the next start: %s", model.name, error)
        return result

    def _bucket_problem(self, context: RequestContext, bucket: str) -> str | None:
        try:
            self._blobs.check_bucket(context.account, bucket)
        except BlobError as error:
            return str(error)
        return None

    def _create(
        self,
        connection: Connection,
        context: RequestContext,
        members: Members,
        project: Project,
        found: Sequence[Dataset],
    ) -> int:
        if "KmsKeyId" in members:
            raise validation("KmsKeyId is not supported yet; leave it out")
        given = tag_map(members.get("Tags", ()))
        check_count(given, self._limits, model_id(project.name, "new"))
        self._check_quota(connection, project)
        location = members["OutputConfig"]["S3Location"]
        new = models.NewModel(
            project_id=project.id,
            name=ModelName(project.scope, project.name, projects.take_version(connection, project.id)),
            description=members.get("Description"),
            message=messages.MODEL_TRAINING,
            output=models.Output(location["Bucket"], location.get("Prefix")),
            seed=_SEED,
            separate_test=any(dataset.type is DatasetType.TEST for dataset in found),
        )
        created = models.create(connection, new, context.now)
        tags.replace(connection, created, given)
        models.snapshot(connection, created, [(dataset.type, dataset.id) for dataset in found])
        payload = {"model": created}
        job = enqueue(connection, kind=JOB, lane=LANE, subject=str(new.name), payload=payload, now=context.now)
        models.set_job(connection, created, job)
        return created

    def _check_quota(self, connection: Connection, project: Project) -> None:
        running = models.trainings(connection, project.scope)
        if running >= self._limits.trainings:
            message = (
                f"{running} models are being trained in {project.scope.region} for account {project.scope.account}; "
                f"the most is {self._limits.trainings} at once; wait until one has ended, or raise the setting "
                "trainings"
            )
            raise quota_exceeded(Quota.CONCURRENT_TRAININGS, ResourceType.MODEL, project.name, message)


def _training_datasets(connection: Connection, project: Project) -> list[Dataset]:
    """The datasets to train on, all at rest: there must be a train dataset."""
    require_dataset(connection, project, DatasetType.TRAIN)
    found = datasets.of_project(connection, project.id)
    for dataset in found:
        if dataset.status not in DATASET_COMPLETE:
            name = dataset_id(project.name, dataset.type)
            message = f"Dataset {name} is {dataset.status}; CreateModel needs {either(DATASET_COMPLETE)}"
            raise conflict(ResourceType.DATASET, name, message)
    return found


def _metadata(connection: Connection, created: int) -> Members:
    model = models.get(connection, created)
    assert model is not None, "the row was inserted in this transaction"
    return model_metadata(connection, model)
