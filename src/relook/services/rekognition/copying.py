"""Copies of trained versions in other projects."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.interface import Blobs
from relook.core.custom_labels.names import parse_project, parse_version
from relook.core.custom_labels.policies import allows, denies
from relook.core.custom_labels.states import VERSION_MESSAGES, VERSION_TRAINED, VersionStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.jobs.artifacts import fresh_folder, make_durable
from relook.jobs.queue import enqueue
from relook.services.rekognition.dataset_steps import LANE
from relook.services.rekognition.errors import access_denied, invalid, not_found
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import arn_in, parsed, require_project
from relook.services.rekognition.results_writer import check_output, read_results, write_results
from relook.services.rekognition.tags import tag_new
from relook.services.rekognition.version_requests import output_of, refuse_key, require_free_name, require_room
from relook.store import rekognition_policies as policies
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_tags import Kind, Tagged
from relook.store.rekognition_versions import Version

JOB = "label-copy"


class Copying:
    """CopyProjectVersion."""

    def __init__(self, store: Store, limits: Limits, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._limits = limits
        self._wake_jobs = wake_jobs

    @operation("CopyProjectVersion", resource=arn_in("SourceProjectVersionArn"))
    def copy(self, context: RequestContext, members: Members) -> Members:
        """Start copying; the source may be deleted once the copy is COPYING_COMPLETED."""
        refuse_key(members)
        status = VersionStatus.COPYING_IN_PROGRESS
        with self._store.write() as connection:
            source = _source(connection, context, members)
            project = require_project(connection, context, members["DestinationProjectArn"])
            require_free_name(connection, project, members["VersionName"])
            require_room(connection, project, self._limits)
            new = versions.NewVersion(
                project_id=project.id,
                name=members["VersionName"],
                status=status,
                message=VERSION_MESSAGES[status],
                output=output_of(connection, members, project),
                seed=source.seed,
                auto_split=source.auto_split,
                description=source.description,
                source_arn=str(source.name),
            )
            version = versions.create(connection, new, context.now)
            tag_new(connection, Tagged(Kind.VERSION, version.id), members, self._limits)
            payload = {"version": version.id, "source": source.id}
            job = enqueue(connection, kind=JOB, lane=LANE, subject=str(version.name), payload=payload, now=context.now)
            versions.set_job(connection, version.id, job)
        self._wake_jobs()
        return {"ProjectVersionArn": str(version.name)}


def _source(connection: Connection, context: RequestContext, members: Members) -> Version:
    """The version to copy, which the caller may copy and which is trained."""
    arn = members["SourceProjectVersionArn"]
    name = parsed(parse_version, arn)
    project_name = parsed(parse_project, members["SourceProjectArn"])
    if project_name.scope.region != context.region:
        raise invalid(f"{members['SourceProjectArn']} is in another region; copies are made within {context.region}")
    project = projects.find(connection, project_name)
    documents = [] if project is None else policies.documents(connection, project.id)
    foreign = project_name.scope.account != context.account
    # Who may not copy must not learn what there is, either: this comes before anything is said to be missing.
    if (foreign and not any(allows(one, context.principal, arn) for one in documents)) or any(
        denies(one, context.principal, arn) for one in documents
    ):
        raise access_denied(f"{context.principal.arn} is not allowed to copy {arn}: a policy of its project decides")
    if project is None:
        raise not_found(f"Project {project_name} does not exist")
    version = versions.find(connection, name)
    if version is None or version.project_id != project.id:
        raise not_found(f"Project {project_name} has no version {arn}")
    if version.status not in VERSION_TRAINED or version.artifact is None:
        raise invalid(f"{version.name} is {version.status}: there is no trained model to copy")
    return version


class CopyJob:
    """Copies the artifact and the result files of a payload `{"version": id, "source": id}`."""

    def __init__(self, store: Store, blobs: Blobs, artifacts: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._artifacts = artifacts

    def kind(self) -> JobKind:
        return JobKind(JOB, LANE, self.run, self.failed)

    def run(self, context: JobContext, payload: Payload) -> Completion:
        """Safe to repeat at any point."""
        with self._store.read() as connection:
            version = versions.get(connection, payload["version"])
            source = versions.get(connection, payload["source"])
        if version is None or version.status is not VersionStatus.COPYING_IN_PROGRESS:
            return _nothing
        if source is None or source.outcome is None:
            raise JobFailed(_gone(version))
        check_output(self._blobs, version, context)
        context.progress("copying the model", 0, 1)
        folder = fresh_folder(self._artifacts, version.artifact_id)
        try:
            self._copy_files(version, source, source.outcome.artifact, folder)
            make_durable(folder)
            self._check_there(version, source)
            files = write_results(self._blobs, version, read_results(self._blobs, source), context)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        outcome = replace(source.outcome, artifact=folder.name, billable_seconds=None)

        def complete(connection: Connection) -> None:
            status = VersionStatus.COPYING_COMPLETED
            versions.finished(connection, version.id, status, VERSION_MESSAGES[status], outcome, files)

        return complete

    def _copy_files(self, version: Version, source: Version, artifact: str, folder: Path) -> None:
        """JobFailed where the artifact, or one of the files that make a model, is not there."""
        from relook.vision.artifact import CARD, GRAPH  # in the job's process: the server does without runtimes

        root = self._artifacts / artifact
        try:
            for name in sorted({CARD, GRAPH, *(path.name for path in root.iterdir())}):
                shutil.copyfile(root / name, folder / name)
        except FileNotFoundError as error:
            self._check_there(version, source)
            missing = Path(self._artifacts.name, Path(error.filename).relative_to(self._artifacts))
            raise JobFailed(
                f"The model that was to be copied, {version.source_arn}, is not complete: {missing} is missing in the "
                "data folder. Bring it back from a backup, or train the model again."
            ) from error

    def _check_there(self, version: Version, source: Version) -> None:
        """A deletion takes the row away before the files: while it is there, they all were."""
        with self._store.read() as connection:
            if versions.get(connection, source.id) is None:
                raise JobFailed(_gone(version))

    def failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        versions.change_status(connection, payload["version"], VersionStatus.COPYING_FAILED, reason)


def _gone(version: Version) -> str:
    return f"The model that was to be copied, {version.source_arn}, has been deleted."


def _nothing(connection: Connection) -> None:
    """The version has moved on without this job."""
