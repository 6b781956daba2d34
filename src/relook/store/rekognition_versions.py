"""Named queries on versions of Custom Labels projects. All run inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal, select, update

from relook.core.custom_labels.names import DatasetType, VersionName
from relook.core.custom_labels.results import folder_of
from relook.core.custom_labels.states import VERSION_GIVEN_UP, VersionStatus, version_sources
from relook.core.names import Scope
from relook.store.queries import batches
from relook.store.tables.rekognition import entries, projects, training_entries, versions

_FILE_COLUMNS = (
    versions.c.evaluation_key,
    versions.c.summary_key,
    versions.c.training_output_key,
    versions.c.training_validation_key,
    versions.c.testing_output_key,
    versions.c.testing_validation_key,
)


@dataclass(frozen=True, slots=True)
class Output:
    """Where the result files go."""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Files:
    """Keys in the output bucket; None for a file that is not there."""

    evaluation: str | None = None
    summary: str | None = None
    training_output: str | None = None
    training_validation: str | None = None
    testing_output: str | None = None
    testing_validation: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training left: the task of its artifact, the thresholds (0..1) by label, F1 (0..1), seconds trained."""

    artifact: str
    task: str
    thresholds: Mapping[str, float]
    f1: float
    billable_seconds: int | None
    ended: int
    """Milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Version:
    """The inputs are manifests, {"Bucket", "Name"[, "Version"]}, or None where the project's datasets were taken.

    `ended` is when a training ended, either way; `outcome` is None unless it ended well.
    """

    id: int
    name: VersionName
    project_id: int
    description: str | None
    status: VersionStatus
    message: str
    job_id: str | None
    source_arn: str | None
    output: Output
    seed: int
    training_input: Mapping[str, str] | None
    testing_input: Mapping[str, str] | None
    auto_split: bool
    artifact_id: str
    artifact: str | None
    outcome: Outcome | None
    ended: int | None
    files: Files
    min_units: int | None
    max_units: int | None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What CreateProjectVersion and CopyProjectVersion say of a version."""

    project_id: int
    name: str
    status: VersionStatus
    message: str
    output: Output
    seed: int
    auto_split: bool
    description: str | None = None
    source_arn: str | None = None
    training_input: Mapping[str, str] | None = None
    testing_input: Mapping[str, str] | None = None


def create(connection: Connection, new: NewVersion, now: int) -> Version:
    version_id: int = connection.execute(
        insert(versions)
        .values(
            project_id=new.project_id,
            name=new.name,
            created=now,
            description=new.description,
            status=new.status,
            message=new.message,
            source_arn=new.source_arn,
            output_bucket=new.output.bucket,
            output_prefix=new.output.prefix,
            seed=new.seed,
            training_input=_plain(new.training_input),
            testing_input=_plain(new.testing_input),
            auto_split=new.auto_split,
            artifact_id=uuid.uuid4().hex,
        )
        .returning(versions.c.id)
    ).scalar_one()
    made = get(connection, version_id)
    assert made is not None, "the row was inserted in this transaction"
    return made


def set_job(connection: Connection, version_id: int, job_id: str) -> None:
    connection.execute(update(versions).where(versions.c.id == version_id).values(job_id=job_id))


def get(connection: Connection, version_id: int | None) -> Version | None:
    row = connection.execute(_all().where(versions.c.id == version_id)).one_or_none()
    return None if row is None else _version(row)


def find(connection: Connection, name: VersionName) -> Version | None:
    """The version that an ARN names, its creation time and its project's account and region included."""
    query = _all().where(
        projects.c.account == name.scope.account,
        projects.c.region == name.scope.region,
        projects.c.name == name.project,
        versions.c.name == name.version,
        versions.c.created == name.created,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _version(row)


def named(connection: Connection, project_id: int, name: str) -> Version | None:
    row = connection.execute(_all().where(versions.c.project_id == project_id, versions.c.name == name)).one_or_none()
    return None if row is None else _version(row)


def page(
    connection: Connection, project_id: int, names: Collection[str] | None, *, before: int | None, limit: int
) -> list[Version]:
    """The newest first, those with an id below `before`; all names where none are given."""
    query = _all().where(versions.c.project_id == project_id)
    if names is not None:
        query = query.where(versions.c.name.in_(list(names)))
    if before is not None:
        query = query.where(versions.c.id < before)
    return [_version(row) for row in connection.execute(query.order_by(versions.c.id.desc()).limit(limit))]


def in_status(connection: Connection, statuses: Collection[VersionStatus]) -> list[Version]:
    """The versions of every account in these statuses, oldest first."""
    query = _all().where(versions.c.status.in_(_values(statuses))).order_by(versions.c.id)
    return [_version(row) for row in connection.execute(query)]


def of_same_results(connection: Connection, account: str, output: Output, results: str) -> VersionName | None:
    """A version of an account, in any region, that has left, or may yet leave, results in the folder of `output` under
    the name `results`, as `results_name` gives it.

    Of other accounts', which name a bucket in vain, there are none: a bucket is written to by its owner alone.
    """
    projects_that_fit = [results[:place] for place, letter in enumerate(results) if letter == "-"]
    query: Select[Any] = select(
        projects.c.account, projects.c.region, projects.c.name.label("project"), versions.c.name, versions.c.created
    ).where(
        versions.c.project_id == projects.c.id,
        projects.c.account == account,
        projects.c.name.in_(projects_that_fit),
        projects.c.name + "-" + versions.c.name == results,
        versions.c.output_bucket == output.bucket,
        func.rtrim(versions.c.output_prefix, "/") == folder_of(output.prefix),
        versions.c.status.not_in(_values(VERSION_GIVEN_UP)) | func.coalesce(*_FILE_COLUMNS).is_not(None),
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _name(row)


def count(connection: Connection, project_id: int) -> int:
    query = select(func.count()).select_from(versions).where(versions.c.project_id == project_id)
    return connection.execute(query).scalar_one()


def count_in_status(connection: Connection, scope: Scope, statuses: Collection[VersionStatus]) -> int:
    """How many versions of an account and region are in these statuses."""
    query = (
        select(func.count())
        .select_from(versions.join(projects))
        .where(
            projects.c.account == scope.account,
            projects.c.region == scope.region,
            versions.c.status.in_(_values(statuses)),
        )
    )
    return connection.execute(query).scalar_one()


def copy_in_progress(connection: Connection, source: VersionName) -> VersionName | None:
    """A version that is being copied from `source`; any account's."""
    wanted = (versions.c.source_arn == str(source), versions.c.status == VersionStatus.COPYING_IN_PROGRESS.value)
    row = connection.execute(_all().where(*wanted).limit(1)).first()
    return None if row is None else _version(row).name


def change_status(connection: Connection, version_id: int, new: VersionStatus, message: str, **columns: Any) -> bool:
    """Move on by the table of transitions; False, and nothing written, where that is not possible (any more)."""
    changed = connection.execute(
        update(versions)
        .where(versions.c.id == version_id, versions.c.status.in_(_values(version_sources(new))))
        .values(status=new, message=message, **columns)
    )
    return changed.rowcount == 1


def finished(
    connection: Connection, version_id: int, new: VersionStatus, message: str, outcome: Outcome, files: Files
) -> bool:
    """Record that a training, or a copy, ended well; False when the version had moved on."""
    return change_status(
        connection,
        version_id,
        new,
        message,
        artifact=outcome.artifact,
        task=outcome.task,
        thresholds=dict(outcome.thresholds),
        f1=outcome.f1,
        training_ended=outcome.ended,
        billable_seconds=outcome.billable_seconds,
        **_file_columns(files),
    )


def set_files(connection: Connection, version_id: int, files: Files) -> None:
    """While it is trained: a run that was given up, but lives on, must not take from a version what another left."""
    training = versions.c.status == VersionStatus.TRAINING_IN_PROGRESS
    connection.execute(update(versions).where(versions.c.id == version_id, training).values(**_file_columns(files)))


def remove(connection: Connection, version_id: int) -> None:
    """The version with its tags and what it was to be trained on."""
    connection.execute(delete(versions).where(versions.c.id == version_id))


def snapshot(connection: Connection, version_id: int, kind: DatasetType, dataset_id: int) -> None:
    """Hold a dataset's entries as they are: `rekognition_entries.replace` keeps their lines for a training.

    They are referred to, not copied, for there may be hundreds of MB of lines; so they must not be removed meanwhile.
    """
    held = select(literal(version_id), entries.c.position, literal(kind.value)).where(
        entries.c.dataset_id == dataset_id
    )
    connection.execute(insert(training_entries).from_select(["version_id", "entry", "type"], held))


def lines(connection: Connection, version_id: int, kind: DatasetType) -> Iterator[str]:
    """What a version is trained on or tested with, in the dataset's order."""
    query = (
        select(func.coalesce(training_entries.c.line, entries.c.line))
        .join(entries, entries.c.position == training_entries.c.entry)
        .where(training_entries.c.version_id == version_id, training_entries.c.type == kind.value)
        .order_by(training_entries.c.entry)
    )
    yield from connection.execute(query).scalars()


def relabelled(connection: Connection, version_id: int, positions: Sequence[int]) -> bool:
    """Whether an entry at one of these positions has another line now than the version's training began with."""
    for some in batches(positions):
        query = (
            select(training_entries.c.entry)
            .join(entries, entries.c.position == training_entries.c.entry)
            .where(training_entries.c.version_id == version_id, training_entries.c.entry.in_(some))
            .where(training_entries.c.line != entries.c.line)
            .limit(1)
        )
        if connection.execute(query).first() is not None:
            return True
    return False


def drop_snapshot(connection: Connection, version_id: int) -> None:
    connection.execute(delete(training_entries).where(training_entries.c.version_id == version_id))


def artifacts(connection: Connection) -> dict[str, tuple[VersionStatus, str | None]]:
    """Every version's artifact id with its status and the folder that holds its artifact."""
    rows = connection.execute(select(versions.c.artifact_id, versions.c.status, versions.c.artifact))
    return {row.artifact_id: (VersionStatus(row.status), row.artifact) for row in rows}


def _values(statuses: Iterable[VersionStatus]) -> list[str]:
    return [status.value for status in statuses]


def _plain(given: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if given is None else dict(given)


def _all() -> Select[Any]:
    project = (projects.c.account, projects.c.region, projects.c.name.label("project"))
    return select(versions, *project).join(projects, versions.c.project_id == projects.c.id)


def _file_columns(files: Files) -> dict[str, str | None]:
    return {
        "evaluation_key": files.evaluation,
        "summary_key": files.summary,
        "training_output_key": files.training_output,
        "training_validation_key": files.training_validation,
        "testing_output_key": files.testing_output,
        "testing_validation_key": files.testing_validation,
    }


def _name(row: Row[Any]) -> VersionName:
    return VersionName(Scope(row.account, row.region), row.project, row.name, row.created)


def _version(row: Row[Any]) -> Version:
    return Version(
        id=row.id,
        name=_name(row),
        project_id=row.project_id,
        description=row.description,
        status=VersionStatus(row.status),
        message=row.message,
        job_id=row.job_id,
        source_arn=row.source_arn,
        output=Output(row.output_bucket, row.output_prefix),
        seed=row.seed,
        training_input=row.training_input,
        testing_input=row.testing_input,
        auto_split=row.auto_split,
        artifact_id=row.artifact_id,
        artifact=row.artifact,
        outcome=_outcome(row),
        ended=row.training_ended,
        files=Files(
            evaluation=row.evaluation_key,
            summary=row.summary_key,
            training_output=row.training_output_key,
            training_validation=row.training_validation_key,
            testing_output=row.testing_output_key,
            testing_validation=row.testing_validation_key,
        ),
        min_units=row.min_units,
        max_units=row.max_units,
    )


def _outcome(row: Row[Any]) -> Outcome | None:
    if row.artifact is None:
        return None
    return Outcome(row.artifact, row.task, row.thresholds, row.f1, row.billable_seconds, row.training_ended)
