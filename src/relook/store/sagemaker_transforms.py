"""Named queries on transform jobs and their objects. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from relook.core.names import Scope
from relook.core.serving import ModelDefinition
from relook.core.transforms import TRANSITIONS, TransformStatus, sources
from relook.store import sagemaker_rows as rows
from relook.store.tables.sagemaker_transforms import transform_objects, transforms

_ROWS = 1000
"""How many are inserted at once."""


class ObjectState(StrEnum):
    PENDING = "PENDING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Transform:
    """Times in milliseconds since the epoch. `request` has the members of CreateTransformJob."""

    id: int
    scope: Scope
    name: str
    status: TransformStatus
    created: int
    started: int | None
    ended: int | None
    failure: str | None
    request: Mapping[str, Any]
    model: ModelDefinition
    job_id: str | None
    listed: bool


@dataclass(frozen=True, slots=True)
class InputObject:
    """One input; `output` is the key that its answer goes to. `position` counts from 0 in the order of the input."""

    position: int
    bucket: str
    key: str
    version: str | None
    output: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Written:
    """An output object that was written: the version, and its ETag, since an unversioned one may be another's now."""

    position: int
    output: str
    version: str
    etag: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects of a job are in which state, and why the first that failed did."""

    pending: int
    done: int
    failed: int
    first_reason: str

    @property
    def total(self) -> int:
        return self.pending + self.done + self.failed


def create(
    connection: Connection, scope: Scope, name: str, request: Mapping[str, Any], model: ModelDefinition, now: int
) -> int:
    """Add it as InProgress; returns its id. IntegrityError when the name is taken, in whatever case."""
    made: int = connection.execute(
        insert(transforms)
        .values(
            account=scope.account,
            region=scope.region,
            key=name.lower(),
            name=name,
            status=TransformStatus.IN_PROGRESS,
            created=now,
            modified=now,
            request=dict(request),
            model=model.dump(),
            listed=False,
        )
        .returning(transforms.c.id)
    ).scalar_one()
    return made


def set_job(connection: Connection, transform_id: int, job_id: str) -> None:
    connection.execute(update(transforms).where(transforms.c.id == transform_id).values(job_id=job_id))


def find(connection: Connection, scope: Scope, name: str) -> Transform | None:
    """By a name in any case."""
    row = rows.find(connection, transforms, scope, name)
    return None if row is None else transform_of(row)


def get(connection: Connection, transform_id: int) -> Transform | None:
    row = rows.get(connection, transforms, transform_id)
    return None if row is None else transform_of(row)


def change_status(
    connection: Connection, transform_id: int, new: TransformStatus, now: int, failure: str | None = None
) -> bool:
    """Move on by the table of transitions; False, and nothing written, where that is not possible (any more)."""
    values: dict[str, Any] = {"status": new, "modified": now, "failure": failure}
    if not TRANSITIONS[new]:
        values["ended"] = now
    changed = connection.execute(
        update(transforms)
        .where(transforms.c.id == transform_id, transforms.c.status.in_([old.value for old in sources(new)]))
        .values(values)
    )
    if changed.rowcount == 1 and "ended" in values:
        drop_objects(connection, transform_id)
    return changed.rowcount == 1


def begin(connection: Connection, transform_id: int, objects: Iterable[InputObject], now: int) -> None:
    """Write down when it started and what its inputs are, once for all attempts."""
    connection.execute(update(transforms).where(transforms.c.id == transform_id).values(started=now, listed=True))
    rows = (
        {
            "transform_id": transform_id,
            "position": each.position,
            "bucket": each.bucket,
            "key": each.key,
            "version": each.version,
            "output": each.output,
            "state": ObjectState.PENDING,
            "reason": "",
        }
        for each in objects
    )
    while some := list(islice(rows, _ROWS)):
        connection.execute(insert(transform_objects), some)


def pending(connection: Connection, transform_id: int, *, after: int, limit: int) -> list[InputObject]:
    """Inputs nobody has settled, in order, those behind position `after` (-1: all)."""
    table = transform_objects.c
    query = select(transform_objects).where(
        table.transform_id == transform_id, table.state == ObjectState.PENDING, table.position > after
    )
    rows = connection.execute(query.order_by(table.position).limit(limit))
    return [InputObject(row.position, row.bucket, row.key, row.version, row.output) for row in rows]


def mark_done(connection: Connection, transform_id: int, written: Written) -> bool:
    """False when the object is not pending, or the job not in progress any more: then nothing may be written."""
    return _settle(
        connection,
        transform_id,
        written.position,
        {"state": ObjectState.DONE, "written": written.version, "etag": written.etag},
    )


def mark_failed(connection: Connection, transform_id: int, position: int, reason: str) -> bool:
    """False as with `mark_done`."""
    return _settle(connection, transform_id, position, {"state": ObjectState.FAILED, "reason": reason})


def written(connection: Connection, transform_id: int, *, limit: int) -> list[Written]:
    """Outputs that stand, in order."""
    table = transform_objects.c
    query = select(transform_objects).where(table.transform_id == transform_id, table.state == ObjectState.DONE)
    rows = connection.execute(query.order_by(table.position).limit(limit))
    return [Written(row.position, row.output, row.written, row.etag) for row in rows]


def forget(connection: Connection, transform_id: int, positions: Iterable[int]) -> None:
    """Outputs that were removed."""
    table = transform_objects.c
    connection.execute(
        delete(transform_objects).where(table.transform_id == transform_id, table.position.in_(list(positions)))
    )


def tally(connection: Connection, transform_id: int) -> Tally:
    table = transform_objects.c
    mine = table.transform_id == transform_id
    rows = connection.execute(select(table.state, func.count()).where(mine).group_by(table.state))
    counts = {state: count for state, count in rows}
    first = select(table.reason).where(mine, table.state == ObjectState.FAILED).order_by(table.position).limit(1)
    return Tally(
        pending=counts.get(ObjectState.PENDING, 0),
        done=counts.get(ObjectState.DONE, 0),
        failed=counts.get(ObjectState.FAILED, 0),
        first_reason=connection.execute(first).scalar() or "",
    )


def drop_objects(connection: Connection, transform_id: int) -> None:
    connection.execute(delete(transform_objects).where(transform_objects.c.transform_id == transform_id))


def _settle(connection: Connection, transform_id: int, position: int, values: Mapping[str, Any]) -> bool:
    table = transform_objects.c
    running = select(transforms.c.id).where(
        transforms.c.id == transform_id, transforms.c.status == TransformStatus.IN_PROGRESS
    )
    changed = connection.execute(
        update(transform_objects)
        .where(
            table.transform_id.in_(running),
            table.position == position,
            table.state == ObjectState.PENDING,
        )
        .values(dict(values))
    )
    return changed.rowcount == 1


def transform_of(row: Row[Any]) -> Transform:
    """A row of the whole table."""
    return Transform(
        id=row.id,
        scope=Scope(row.account, row.region),
        name=row.name,
        status=TransformStatus(row.status),
        created=row.created,
        started=row.started,
        ended=row.ended,
        failure=row.failure,
        request=row.request,
        model=ModelDefinition.restore(row.model),
        job_id=row.job_id,
        listed=row.listed,
    )
