"""Named queries on training jobs. All run inside the caller's transaction; times are milliseconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from relook.core.names import Scope
from relook.core.training.metrics import Metric
from relook.core.training.states import ENDED, MESSAGES, Stage, TrainingStatus, sources
from relook.store import sagemaker_rows as rows
from relook.store.tables.sagemaker_training import training_jobs


@dataclass(frozen=True, slots=True)
class StageEntry:
    """One SecondaryStatusTransition; `ended` is None for the one that lasts."""

    stage: Stage
    started: int
    ended: int | None
    message: str


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """`definition` has the members of CreateTrainingJob; `algorithm` is None where an image was named."""

    id: int
    scope: Scope
    name: str
    created: int
    modified: int
    status: TrainingStatus
    stage: Stage
    stages: tuple[StageEntry, ...]
    definition: Mapping[str, Any]
    algorithm: Mapping[str, Any] | None
    job_id: str | None
    started: int | None
    ended: int | None
    failure: str | None
    artifacts: str | None
    metrics: tuple[Metric, ...]


def create(
    connection: Connection,
    scope: Scope,
    name: str,
    definition: Mapping[str, Any],
    algorithm: Mapping[str, Any] | None,
    now: int,
) -> int:
    """Add it, in progress; its id. The name must be free, whatever its case."""
    made: int = connection.execute(
        insert(training_jobs)
        .values(
            account=scope.account,
            region=scope.region,
            key=name.lower(),
            name=name,
            created=now,
            modified=now,
            status=TrainingStatus.IN_PROGRESS,
            stage=Stage.STARTING,
            stages=[_entry(Stage.STARTING, now, MESSAGES[Stage.STARTING])],
            definition=dict(definition),
            algorithm=None if algorithm is None else dict(algorithm),
            metrics=[],
        )
        .returning(training_jobs.c.id)
    ).scalar_one()
    return made


def set_job(connection: Connection, training_id: int, job_id: str) -> None:
    connection.execute(update(training_jobs).where(training_jobs.c.id == training_id).values(job_id=job_id))


def find(connection: Connection, scope: Scope, name: str) -> TrainingJob | None:
    """By a name in any case."""
    row = rows.find(connection, training_jobs, scope, name)
    return None if row is None else training_job(row)


def get(connection: Connection, training_id: int) -> TrainingJob | None:
    row = rows.get(connection, training_jobs, training_id)
    return None if row is None else training_job(row)


def everything(connection: Connection, scope: Scope) -> list[TrainingJob]:
    """Of an account and region, oldest first."""
    table = training_jobs.c
    query = select(training_jobs).where(table.account == scope.account, table.region == scope.region)
    return [training_job(row) for row in connection.execute(query.order_by(table.id))]


def enter(connection: Connection, training_id: int, stage: Stage, now: int, message: str | None = None) -> bool:
    """Record a stage of work; False where the job has ended. Training begins, for the record, only once."""
    row = rows.get(connection, training_jobs, training_id)
    if row is None or row.status in ENDED:
        return False
    values = _entered(row, stage, now, message or MESSAGES[stage])
    if stage is Stage.DOWNLOADING and row.started is None:
        values["started"] = now
    connection.execute(update(training_jobs).where(training_jobs.c.id == training_id).values(values))
    return True


def change_status(
    connection: Connection, training_id: int, new: TrainingStatus, stage: Stage, now: int, **columns: Any
) -> bool:
    """Move on by the table of transitions; False, and nothing written, where that is not possible (any more)."""
    row = rows.get(connection, training_jobs, training_id)
    if row is None or row.status not in sources(new):
        return False
    values = _entered(row, stage, now, MESSAGES[stage]) | {"status": new.value} | columns
    if new in ENDED:
        values["ended"] = now
        values["stages"][-1]["ended"] = now
    connection.execute(update(training_jobs).where(training_jobs.c.id == training_id).values(values))
    return True


def set_metrics(connection: Connection, training_id: int, metrics: Iterable[Metric]) -> None:
    values = [{"name": one.name, "value": one.value, "time": one.time} for one in metrics]
    connection.execute(update(training_jobs).where(training_jobs.c.id == training_id).values(metrics=values))


def remove(connection: Connection, training_id: int) -> None:
    connection.execute(delete(training_jobs).where(training_jobs.c.id == training_id))


def training_job(row: Row[Any]) -> TrainingJob:
    """A row of the whole table."""
    return TrainingJob(
        id=row.id,
        scope=Scope(row.account, row.region),
        name=row.name,
        created=row.created,
        modified=row.modified,
        status=TrainingStatus(row.status),
        stage=Stage(row.stage),
        stages=tuple(StageEntry(**entry | {"stage": Stage(entry["stage"])}) for entry in row.stages),
        definition=row.definition,
        algorithm=row.algorithm,
        job_id=row.job_id,
        started=row.started,
        ended=row.ended,
        failure=row.failure,
        artifacts=row.artifacts,
        metrics=tuple(Metric(**metric) for metric in row.metrics),
    )


def _entered(row: Row[Any], stage: Stage, now: int, message: str) -> dict[str, Any]:
    """The new values of a row that enters a stage: the one before ends."""
    stages: Sequence[dict[str, Any]] = row.stages
    last = dict(stages[-1])
    if last["stage"] == stage:
        return {"stages": [*stages[:-1], last | {"message": message}], "modified": now}
    last["ended"] = now
    return {"stages": [*stages[:-1], last, _entry(stage, now, message)], "stage": stage.value, "modified": now}


def _entry(stage: Stage, now: int, message: str) -> dict[str, Any]:
    return {"stage": stage.value, "started": now, "ended": None, "message": message}
