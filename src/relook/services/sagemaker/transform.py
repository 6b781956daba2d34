"""Transform jobs: CreateTransformJob, DescribeTransformJob, ListTransformJobs, StopTransformJob."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.interface import Blobs
from relook.core.batch import BatchError
from relook.core.clock import as_datetime
from relook.core.serving import ContainerMode, ModelDefinition
from relook.core.transforms import TransformStatus
from relook.jobs.queue import enqueue, request_cancel
from relook.services.sagemaker.destinations import check_bucket
from relook.services.sagemaker.errors import job_name_in_use, no_such_job, validation
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.models import resolve
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, resource, scope_of
from relook.services.sagemaker.refusing import refuse, refuse_keys
from relook.services.sagemaker.tags import create_tags
from relook.services.sagemaker.transform_job import JOB, LANE
from relook.services.sagemaker.transform_spec import Spec
from relook.store import sagemaker_transforms as transforms
from relook.store.engine import Store
from relook.store.sagemaker_transforms import Transform
from relook.store.tables.sagemaker_transforms import transforms as table

_JOB = resource(Kind.TRANSFORM_JOB, "TransformJobName")
_NOT_ECHOED = frozenset({"Tags"})
_CAPTURE = "leave it out; the output objects and the job's logs hold what was answered"
_SOURCES = ("S3Prefix", "ManifestFile")


class Transforms:
    """`wake_jobs` is called, from a worker thread, after a job was committed to the queue."""

    tagged_kind = Kind.TRANSFORM_JOB

    def __init__(self, store: Store, blobs: Blobs, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._blobs = blobs
        self._wake_jobs = wake_jobs

    @operation("CreateTransformJob", resource=_JOB)
    def create(self, context: RequestContext, members: Members) -> Members:
        """InProgress at once; it runs when its turn comes, on the model as it is now."""
        scope, name = scope_of(context), members["TransformJobName"]
        arn = arn_of(scope, Kind.TRANSFORM_JOB, name)
        output = members["TransformOutput"]["S3OutputPath"]
        check_bucket(self._blobs, scope.account, "TransformOutput.S3OutputPath", output)
        with self._store.write() as connection:
            model = resolve(connection, scope, members["ModelName"])
            if transforms.find(connection, scope, name) is not None:
                raise job_name_in_use(arn)
            _check(members, model)
            request = {key: value for key, value in members.items() if key not in _NOT_ECHOED}
            made = transforms.create(connection, scope, name, request, model, context.now)
            create_tags(connection, arn, members)
            payload = {"transform": made}
            job_id = enqueue(connection, kind=JOB, lane=LANE, subject=arn, payload=payload, now=context.now)
            transforms.set_job(connection, made, job_id)
        self._wake_jobs()
        return {"TransformJobArn": arn}

    @operation("DescribeTransformJob", resource=_JOB)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found = self._require(connection, context, members)
        return {
            **found.request,
            "TransformJobName": found.name,
            "TransformJobArn": _arn(found),
            "TransformJobStatus": found.status.value,
            "CreationTime": as_datetime(found.created),
            **_optional(found),
        }

    @operation("ListTransformJobs")
    def list(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            rows, token = listed(connection, context, members, table)
        return {"TransformJobSummaries": [_summary(row) for row in rows], **token}

    @operation("StopTransformJob", resource=_JOB)
    def stop(self, context: RequestContext, members: Members) -> Members | None:
        """Stopping until its outputs are gone; once more is fine, after its end is not."""
        with self._store.write() as connection:
            found = self._require(connection, context, members)
            if found.status is TransformStatus.STOPPING:
                return None
            if not transforms.change_status(connection, found.id, TransformStatus.STOPPING, context.now):
                raise validation(
                    f"The request was rejected because the transform job is in status {found.status.value}."
                )
            if found.job_id is not None:
                request_cancel(connection, found.job_id, context.now)
        self._wake_jobs()
        return None

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return transforms.find(connection, name.scope, name.key) is not None

    def _require(self, connection: Connection, context: RequestContext, members: Members) -> Transform:
        found = transforms.find(connection, scope_of(context), members["TransformJobName"])
        if found is None:
            raise no_such_job(members["TransformJobName"])
        return found


def _check(members: Members, model: ModelDefinition) -> None:
    """ValidationException for what cannot be done; never is a member taken and not acted upon."""
    refuse(members, {"DataCaptureConfig": _CAPTURE})
    refuse_keys(members["TransformOutput"], "TransformOutput")
    refuse_keys(members["TransformResources"], "TransformResources", "VolumeKmsKeyId")
    kind = members["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in _SOURCES:
        raise validation(
            f"TransformInput.DataSource.S3DataSource.S3DataType {kind} is not offered by this server: use "
            f"{' or '.join(_SOURCES)}"
        )
    if any(each.mode is ContainerMode.MULTI_MODEL for each in model.containers):
        raise validation(f"Model {model.name} has the mode MultiModel: a transform job needs one of SingleModel")
    if model.direct:
        raise validation(f"Model {model.name} has the inference mode Direct: a transform job needs one of Serial")
    try:
        Spec.of(members)
    except BatchError as error:
        raise validation(str(error)) from None


def _arn(found: Transform) -> str:
    return arn_of(found.scope, Kind.TRANSFORM_JOB, found.name)


def _optional(found: Transform) -> dict[str, Any]:
    times = {"TransformStartTime": found.started, "TransformEndTime": found.ended}
    given: dict[str, Any] = {name: as_datetime(time) for name, time in times.items() if time is not None}
    if found.failure is not None:
        given["FailureReason"] = found.failure
    return given


def _summary(row: Any) -> dict[str, Any]:
    found = transforms.transform_of(row)
    given = _optional(found)
    given.pop("TransformStartTime", None)
    return {
        "TransformJobName": found.name,
        "TransformJobArn": _arn(found),
        "CreationTime": as_datetime(found.created),
        "LastModifiedTime": as_datetime(row.modified),
        "TransformJobStatus": found.status.value,
        **given,
    }
