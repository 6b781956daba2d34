"""Model versions of projects."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.custom_labels.states import VERSION_DELETABLE, VERSION_MESSAGES, VersionStatus
from relook.core.wording import either
from relook.jobs.queue import enqueue
from relook.services.rekognition.errors import in_use, invalid, limit_exceeded
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import arn_in, require_project, require_version
from relook.services.rekognition.pages import paged
from relook.services.rekognition.tags import tag_new
from relook.services.rekognition.training import JOB, LANE
from relook.services.rekognition.version_descriptions import version_description
from relook.services.rekognition.version_requests import (
    Sources,
    output_of,
    refuse_key,
    require_free_name,
    require_room,
    sources_of,
)
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_projects import Project
from relook.store.rekognition_tags import Kind, Tagged
from relook.store.rekognition_versions import Version

_log = logging.getLogger(__name__)
# Users compare versions, so every version has the same seed. With the same data, candidates and number of steps it
# gives the same model; how many of these there are is a matter of time, and the report names them.
_SEED = 1


class Versions:
    """CreateProjectVersion, DescribeProjectVersions, DeleteProjectVersion."""

    def __init__(self, store: Store, artifacts: Path, limits: Limits, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._artifacts = artifacts
        self._limits = limits
        self._wake_jobs = wake_jobs

    @operation("CreateProjectVersion", resource=arn_in("ProjectArn"))
    def create(self, context: RequestContext, members: Members) -> Members:
        """Start training on the datasets as they are now, or on manifests as they are when the training reads them."""
        refuse_key(members)
        if "FeatureConfig" in members:
            raise invalid("FeatureConfig is for content moderation; a project of Custom Labels has none: leave it out")
        with self._store.write() as connection:
            project = require_project(connection, context, members["ProjectArn"])
            sources = sources_of(connection, project, members)
            require_free_name(connection, project, members["VersionName"])
            require_room(connection, project, self._limits)
            self._require_idle(connection, project)
            version = self._create(connection, context, members, project, sources)
        self._wake_jobs()
        return {"ProjectVersionArn": str(version.name)}

    @operation("DescribeProjectVersions", resource=arn_in("ProjectArn"))
    def describe(self, context: RequestContext, members: Members) -> Members:
        """The newest first. Names that no version has are left out."""
        names = sorted(set(members["VersionNames"])) if "VersionNames" in members else None
        with self._store.read() as connection:
            project = require_project(connection, context, members["ProjectArn"])
            found, token = paged(
                context,
                members,
                ("DescribeProjectVersions", project.id, *(names or ())),
                lambda after, limit: versions.page(connection, project.id, names, before=after, limit=limit),
                lambda version: version.id,
            )
        return {"ProjectVersionDescriptions": [version_description(version) for version in found], **token}

    @operation("DeleteProjectVersion", resource=arn_in("ProjectVersionArn"))
    def delete(self, context: RequestContext, members: Members) -> Members:
        """Gone when this returns; what a crash leaves of its artifact is swept at the next start."""
        with self._store.write() as connection:
            version = require_version(connection, context, members["ProjectVersionArn"])
            if version.status not in VERSION_DELETABLE:
                allowed = either(VERSION_DELETABLE)
                raise in_use(f"{version.name} is {version.status}; DeleteProjectVersion needs {allowed}")
            if copy := versions.copy_in_progress(connection, version.name):
                raise in_use(f"{version.name} is being copied to {copy}; wait until that has ended")
            versions.remove(connection, version.id)
        if version.artifact is not None:
            try:
                shutil.rmtree(self._artifacts / version.artifact)
            except OSError as error:
                _log.warning("the artifact of %s is left until the next start: %s", version.name, error)
        return {"Status": VersionStatus.DELETING.value}

    def _require_idle(self, connection: Connection, project: Project) -> None:
        running = versions.count_in_status(connection, project.scope, [VersionStatus.TRAINING_IN_PROGRESS])
        if running >= self._limits.trainings:
            raise limit_exceeded(
                f"{running} models are being trained in {project.scope.region}; the most is {self._limits.trainings} "
                "at once; wait until one has ended, or raise the setting trainings"
            )

    def _create(
        self, connection: Connection, context: RequestContext, members: Members, project: Project, sources: Sources
    ) -> Version:
        status = VersionStatus.TRAINING_IN_PROGRESS
        training, testing = sources.manifests
        new = versions.NewVersion(
            project_id=project.id,
            name=members["VersionName"],
            status=status,
            message=VERSION_MESSAGES[status],
            output=output_of(connection, members, project),
            seed=_SEED,
            auto_split=sources.testing is None,
            description=members.get("VersionDescription"),
            training_input=training,
            testing_input=testing,
        )
        version = versions.create(connection, new, context.now)
        tag_new(connection, Tagged(Kind.VERSION, version.id), members, self._limits)
        for dataset in sources.datasets:
            versions.snapshot(connection, version.id, dataset.name.kind, dataset.id)
        payload = {"version": version.id}
        job = enqueue(connection, kind=JOB, lane=LANE, subject=str(version.name), payload=payload, now=context.now)
        versions.set_job(connection, version.id, job)
        return version
