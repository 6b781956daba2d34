"""Named queries on Lookout for Vision models. All run inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal, select, update

from relook.core.datasets import DatasetType
from relook.core.manifest import ManifestEntry, parse_line
from relook.core.names import ModelName, Scope
from relook.core.states import MODEL_TRAINED, ModelStatus, model_sources
from relook.store.tables.lookoutvision import entries, models, projects, training_entries


@dataclass(frozen=True, slots=True)
class Output:
    """Where the evaluation files go; a prefix that was not given is None."""

    bucket: str
    prefix: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training found: metrics in 0..1, None where no test image was anomalous, `ended` in milliseconds since the
    epoch, keys in the output bucket."""

    f1: float | None
    recall: float | None
    precision: float | None
    ended: int
    manifest_key: str
    result_key: str


@dataclass(frozen=True, slots=True)
class Model:
    """`artifact` is a folder name, None until it is trained; the units are None unless it is hosted or about to be."""

    id: int
    name: ModelName
    created: int
    description: str | None
    status: ModelStatus
    message: str
    job_id: str | None
    output: Output
    seed: int
    separate_test: bool
    artifact_id: str
    artifact: str | None
    outcome: Outcome | None
    min_units: int | None
    max_units: int | None


@dataclass(frozen=True, slots=True)
class NewModel:
    """What CreateModel says of a model; `name.version` is the one that `take_version` gave."""

    project_id: int
    name: ModelName
    description: str | None
    message: str
    output: Output
    seed: int
    separate_test: bool


def create(connection: Connection, new: NewModel, now: int) -> int:
    """Add it in TRAINING; returns its id."""
    model_id: int = connection.execute(
        insert(models)
        .values(
            project_id=new.project_id,
            version=new.name.version,
            created=now,
            description=new.description,
            status=ModelStatus.TRAINING,
            message=new.message,
            output_bucket=new.output.bucket,
            output_prefix=new.output.prefix,
            seed=new.seed,
            separate_test=new.separate_test,
            artifact_id=uuid.uuid4().hex,
        )
        .returning(models.c.id)
    ).scalar_one()
    return model_id


def set_job(connection: Connection, model_id: int, job_id: str) -> None:
    connection.execute(update(models).where(models.c.id == model_id).values(job_id=job_id))


def find(connection: Connection, name: ModelName) -> Model | None:
    query = _in_project(name.scope, name.project).where(models.c.version == name.version)
    row = connection.execute(query).one_or_none()
    return None if row is None else _model(row)


def get(connection: Connection, model_id: int | None) -> Model | None:
    row = connection.execute(_all().where(models.c.id == model_id)).one_or_none()
    return None if row is None else _model(row)


def latest(connection: Connection, scope: Scope, project: str) -> Model | None:
    """The highest version that is trained; the highest of all while none is."""
    query = _in_project(scope, project).order_by(models.c.version.desc()).limit(1)
    trained = query.where(models.c.status.in_(_values(MODEL_TRAINED)))
    row = connection.execute(trained).one_or_none() or connection.execute(query).one_or_none()
    return None if row is None else _model(row)


def page(connection: Connection, project_id: int, *, after: int, limit: int) -> list[Model]:
    """Models by ascending version, those above `after`."""
    query = _all().where(models.c.project_id == project_id, models.c.version > after)
    return [_model(row) for row in connection.execute(query.order_by(models.c.version).limit(limit))]


def in_status(connection: Connection, statuses: Collection[ModelStatus]) -> list[Model]:
    """The models of every account in these statuses, oldest first."""
    query = _all().where(models.c.status.in_(_values(statuses))).order_by(models.c.id)
    return [_model(row) for row in connection.execute(query)]


def trainings(connection: Connection, scope: Scope) -> int:
    """How many models of an account and region are being trained."""
    query = (
        select(func.count())
        .select_from(models.join(projects))
        .where(
            projects.c.account == scope.account,
            projects.c.region == scope.region,
            models.c.status == ModelStatus.TRAINING,
        )
    )
    return connection.execute(query).scalar_one()


def change_status(connection: Connection, model_id: int, new: ModelStatus, message: str, **columns: Any) -> bool:
    """Move on by the table of transitions; False, and nothing written, where that is not possible (any more)."""
    sources = _values(model_sources(new))
    changed = connection.execute(
        update(models)
        .where(models.c.id == model_id, models.c.status.in_(sources))
        .values(status=new, message=message, **columns)
    )
    return changed.rowcount == 1


def trained(connection: Connection, model_id: int, message: str, artifact: str, outcome: Outcome) -> bool:
    """Record a training's success; False when the model is not being trained any more."""
    return change_status(
        connection,
        model_id,
        ModelStatus.TRAINED,
        message,
        artifact=artifact,
        f1=outcome.f1,
        recall=outcome.recall,
        precision=outcome.precision,
        evaluation_ended=outcome.ended,
        manifest_key=outcome.manifest_key,
        result_key=outcome.result_key,
    )


def remove(connection: Connection, model_id: int) -> None:
    """The model with its tags."""
    connection.execute(delete(models).where(models.c.id == model_id))


def snapshot(connection: Connection, model_id: int, datasets: Iterable[tuple[DatasetType, int]]) -> None:
    """Copy the labelled entries of these datasets, so that later changes do not reach a training."""
    columns = ["model_id", "type", "line"]
    for kind, dataset_id in datasets:
        lines = (
            select(literal(model_id), literal(kind.value), entries.c.line)
            .where(entries.c.dataset_id == dataset_id, entries.c.label.is_not(None))
            .order_by(entries.c.position)
        )
        connection.execute(insert(training_entries).from_select(columns, lines))


def snapshot_entries(connection: Connection, model_id: int, kind: DatasetType) -> list[ManifestEntry]:
    query = (
        select(training_entries.c.line)
        .where(training_entries.c.model_id == model_id, training_entries.c.type == kind)
        .order_by(training_entries.c.position)
    )
    return [parse_line(line) for line in connection.execute(query).scalars()]


def drop_snapshot(connection: Connection, model_id: int) -> None:
    connection.execute(delete(training_entries).where(training_entries.c.model_id == model_id))


def artifacts(connection: Connection) -> dict[str, tuple[ModelStatus, str | None]]:
    """Every model's artifact id with its status and the folder that holds its artifact."""
    rows = connection.execute(select(models.c.artifact_id, models.c.status, models.c.artifact))
    return {row.artifact_id: (ModelStatus(row.status), row.artifact) for row in rows}


def _values(statuses: Iterable[ModelStatus]) -> list[str]:
    return [status.value for status in statuses]


def _all() -> Select[Any]:
    scope = (projects.c.account, projects.c.region, projects.c.name)
    return select(models, *scope).join(projects, models.c.project_id == projects.c.id)


def _in_project(scope: Scope, project: str) -> Select[Any]:
    return _all().where(
        projects.c.account == scope.account, projects.c.region == scope.region, projects.c.name == project
    )


def _model(row: Row[Any]) -> Model:
    return Model(
        id=row.id,
        name=ModelName(Scope(row.account, row.region), row.name, row.version),
        created=row.created,
        description=row.description,
        status=ModelStatus(row.status),
        message=row.message,
        job_id=row.job_id,
        output=Output(row.output_bucket, row.output_prefix),
        seed=row.seed,
        separate_test=row.separate_test,
        artifact_id=row.artifact_id,
        artifact=row.artifact,
        outcome=_outcome(row),
        min_units=row.min_units,
        max_units=row.max_units,
    )


def _outcome(row: Row[Any]) -> Outcome | None:
    if row.evaluation_ended is None:
        return None
    return Outcome(row.f1, row.recall, row.precision, row.evaluation_ended, row.manifest_key, row.result_key)
