"""Named queries on Custom Labels datasets. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from relook.core.custom_labels.names import DatasetName, DatasetType
from relook.core.custom_labels.states import DatasetStatus, MessageCode, dataset_sources
from relook.core.names import Scope
from relook.store.tables.rekognition import changes, datasets, projects


@dataclass(frozen=True, slots=True)
class Dataset:
    """`bucket` is that of its images, None while it has none; `updated` in milliseconds since the epoch."""

    id: int
    project_id: int
    name: DatasetName
    updated: int
    status: DatasetStatus
    message: str
    code: MessageCode
    bucket: str | None


def create(
    connection: Connection, project_id: int, kind: DatasetType, status: DatasetStatus, message: str, now: int
) -> Dataset:
    """The project must not have one of this type."""
    values = {"project_id": project_id, "type": kind, "created": now, "updated": now, "status": status}
    statement = insert(datasets).values(**values, message=message, code=MessageCode.SUCCESS).returning(datasets.c.id)
    made = get(connection, connection.execute(statement).scalar_one())
    assert made is not None, "the row was inserted in this transaction"
    return made


def find(connection: Connection, name: DatasetName) -> Dataset | None:
    """The dataset that an ARN names, its creation time and its project's account and region included."""
    query = _all().where(
        projects.c.account == name.scope.account,
        projects.c.region == name.scope.region,
        projects.c.name == name.project,
        datasets.c.type == name.kind,
        datasets.c.created == name.created,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _dataset(row)


def get(connection: Connection, dataset_id: int | None) -> Dataset | None:
    """None for one that was deleted, too."""
    row = connection.execute(_all().where(datasets.c.id == dataset_id)).one_or_none()
    return None if row is None else _dataset(row)


def of_project(connection: Connection, project_id: int) -> dict[DatasetType, Dataset]:
    """By type, the train dataset before the test dataset."""
    return {dataset.name.kind: dataset for dataset in of_projects(connection, [project_id]).get(project_id, [])}


def of_projects(connection: Connection, project_ids: Collection[int]) -> dict[int, list[Dataset]]:
    """The datasets of each project that has some, the train dataset before the test dataset."""
    found: dict[int, list[Dataset]] = {}
    for row in connection.execute(
        _all().where(datasets.c.project_id.in_(list(project_ids))).order_by(datasets.c.type.desc())
    ):
        found.setdefault(row.project_id, []).append(_dataset(row))
    return found


def change_status(
    connection: Connection,
    dataset_id: int,
    new: DatasetStatus,
    message: str,
    now: int,
    *,
    code: MessageCode = MessageCode.SUCCESS,
    bucket: str | None = None,
) -> bool:
    """Move on by the table of transitions; False, and nothing written, where that is not possible (any more).

    `bucket` is kept when None.
    """
    values: dict[str, Any] = {"status": new, "message": message, "code": code, "updated": now}
    if bucket is not None:
        values["bucket"] = bucket
    sources = [status.value for status in dataset_sources(new)]
    changed = connection.execute(
        update(datasets).where(datasets.c.id == dataset_id, datasets.c.status.in_(sources)).values(**values)
    )
    return changed.rowcount == 1


def detach(connection: Connection, dataset_id: int) -> None:
    """Take it from its project: nobody finds it any more, and its project can have another one of this type."""
    values = {"project_id": None, "status": DatasetStatus.DELETE_IN_PROGRESS}
    connection.execute(update(datasets).where(datasets.c.id == dataset_id).values(**values))


def remove(connection: Connection, dataset_id: int) -> None:
    """What `detach` has left, with all that belongs to it."""
    connection.execute(delete(datasets).where(datasets.c.id == dataset_id, datasets.c.project_id.is_(None)))


def keep_changes(connection: Connection, dataset_id: int, lines: bytes) -> None:
    """Hold the lines of an update for its job; there is one at most per dataset."""
    drop_changes(connection, dataset_id)
    connection.execute(insert(changes).values(dataset_id=dataset_id, lines=lines))


def held_changes(connection: Connection, dataset_id: int) -> bytes | None:
    return connection.execute(select(changes.c.lines).where(changes.c.dataset_id == dataset_id)).scalar_one_or_none()


def drop_changes(connection: Connection, dataset_id: int) -> None:
    connection.execute(delete(changes).where(changes.c.dataset_id == dataset_id))


def _all() -> Select[Any]:
    project = (projects.c.account, projects.c.region, projects.c.name)
    return select(datasets, *project).join(projects, datasets.c.project_id == projects.c.id)


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset(
        id=row.id,
        project_id=row.project_id,
        name=DatasetName(Scope(row.account, row.region), row.name, DatasetType(row.type), row.created),
        updated=row.updated,
        status=DatasetStatus(row.status),
        message=row.message,
        code=MessageCode(row.code),
        bucket=row.bucket,
    )
