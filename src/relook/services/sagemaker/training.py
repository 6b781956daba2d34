"""Training jobs: CreateTrainingJob, Describe, List, Stop, Delete, and Search for them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.folder import FolderBlobs
from relook.core.names import Scope
from relook.core.training.states import ENDED, Stage, TrainingStatus
from relook.jobs import queue
from relook.jobs.states import JobState
from relook.services.sagemaker import training_description as description
from relook.services.sagemaker import training_request as request
from relook.services.sagemaker.errors import in_use, job_name_in_use, no_such_training, not_offered
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, resource, scope_of
from relook.services.sagemaker.refusing import refuse
from relook.services.sagemaker.searching import searched
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.services.sagemaker.training_job import JOB, LANE
from relook.store import sagemaker_tags as tags
from relook.store import sagemaker_training as trainings
from relook.store.engine import Store
from relook.store.sagemaker_training import TrainingJob
from relook.store.tables.sagemaker_training import training_jobs as table

_JOB = resource(Kind.TRAINING_JOB, "TrainingJobName")
_NO_POOLS = {"WarmPoolStatusEquals": "there are no warm pools", "TrainingPlanArnEquals": "there are no training plans"}


class TrainingJobs:
    tagged_kind = Kind.TRAINING_JOB

    def __init__(self, store: Store, blobs: FolderBlobs, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._blobs = blobs
        self._wake_jobs = wake_jobs

    @operation("CreateTrainingJob", resource=_JOB)
    def create(self, context: RequestContext, members: Members) -> Members:
        request.check(self._blobs, context, members)
        name, scope = members["TrainingJobName"], scope_of(context)
        arn = arn_of(scope, Kind.TRAINING_JOB, name)
        with self._store.write() as connection:
            if trainings.find(connection, scope, name) is not None:
                raise job_name_in_use(arn)
            definition, algorithm = request.define(connection, context, members)
            made = trainings.create(connection, scope, name, definition, algorithm, context.now)
            payload = {"training": made}
            job = queue.enqueue(connection, kind=JOB, lane=LANE, subject=arn, payload=payload, now=context.now)
            trainings.set_job(connection, made, job)
            create_tags(connection, arn, members)
        self._wake_jobs()
        return {"TrainingJobArn": arn}

    @operation("DescribeTrainingJob", resource=_JOB)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            return description.described(_require(connection, scope_of(context), members["TrainingJobName"]))

    @operation("ListTrainingJobs")
    def list(self, context: RequestContext, members: Members) -> Members:
        refuse(members, _NO_POOLS)
        with self._store.read() as connection:
            rows, token = listed(connection, context, members, table, ascending=True)
        return {"TrainingJobSummaries": [description.summary(trainings.training_job(row)) for row in rows], **token}

    @operation("StopTrainingJob", resource=_JOB)
    def stop(self, context: RequestContext, members: Members) -> Members | None:
        """Nothing happens to a job that has ended, or is stopping."""
        with self._store.write() as connection:
            found = _require(connection, scope_of(context), members["TrainingJobName"])
            trainings.change_status(connection, found.id, TrainingStatus.STOPPING, Stage.STOPPING, context.now)
            job = queue.find(connection, found.job_id) if found.job_id else None
            # A running one looks at its row; one that waits would wait to be stopped, too.
            if job is not None and job.state is JobState.QUEUED and found.status not in ENDED:
                queue.request_cancel(connection, job.id, context.now)
        self._wake_jobs()
        return None

    @operation("DeleteTrainingJob", resource=_JOB)
    def delete(self, context: RequestContext, members: Members) -> Members | None:
        """The record alone: its artifacts and its logs stay."""
        with self._store.write() as connection:
            found = _require(connection, scope_of(context), members["TrainingJobName"])
            arn = description.arn(found)
            if found.status not in ENDED:
                raise in_use(f"The training job {arn} is {found.status}; stop it, and delete it when it has ended")
            trainings.remove(connection, found.id)
            drop_tags(connection, arn)
        return None

    @operation("Search")
    def search(self, context: RequestContext, members: Members) -> Members:
        """Over training jobs alone, which is what clients of training look for."""
        if members["Resource"] != "TrainingJob":
            raise not_offered(f"Resource {members['Resource']}", "Resource TrainingJob can be searched")
        refuse(members, {"VisibilityConditions": "leave it out"})
        if members.get("CrossAccountFilterOption") == "CrossAccount":
            raise not_offered("CrossAccountFilterOption CrossAccount", "leave it out")
        with self._store.read() as connection:
            found = [
                description.searchable(job, tags.of(connection, description.arn(job)))
                for job in trainings.everything(connection, scope_of(context))
            ]
        page, total, token = searched(context, members, found)
        hits = {"TotalHits": {"Value": total, "Relation": "EqualTo"}}
        return {"Results": [{"TrainingJob": job} for job in page], **hits, **token}

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return trainings.find(connection, name.scope, name.key) is not None


def _require(connection: Connection, scope: Scope, name: str) -> TrainingJob:
    found = trainings.find(connection, scope, name)
    if found is None:
        raise no_such_training()
    return found
