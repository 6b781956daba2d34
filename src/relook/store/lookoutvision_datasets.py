"""Named queries on Lookout for Vision datasets. All run inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from relook.core.datasets import DatasetType, ImageStats
from relook.core.manifest import Label
from relook.core.states import DatasetStatus, IllegalTransition, dataset_sources
from relook.store.tables.lookoutvision import changes, datasets, entries


@dataclass(frozen=True, slots=True)
class Dataset:
    """Times in milliseconds since the epoch; `bucket` is that of its images, None while it has none."""

    id: int
    project_id: int
    type: DatasetType
    created: int
    updated: int
    status: DatasetStatus
    message: str
    bucket: str | None


def create(
    connection: Connection, project_id: int, kind: DatasetType, status: DatasetStatus, message: str, now: int
) -> Dataset:
    """The project must not have one of this type."""
    values = {"project_id": project_id, "type": kind, "created": now, "updated": now}
    statement = insert(datasets).values(**values, status=status, message=message).returning(datasets.c.id)
    dataset_id = connection.execute(statement).scalar_one()
    return Dataset(dataset_id, project_id, kind, now, now, status, message, None)


def find(connection: Connection, project_id: int, kind: DatasetType) -> Dataset | None:
    query = select(datasets).where(datasets.c.project_id == project_id, datasets.c.type == kind)
    row = connection.execute(query).one_or_none()
    return None if row is None else _dataset(row)


def get(connection: Connection, dataset_id: int | None) -> Dataset | None:
    row = connection.execute(select(datasets).where(datasets.c.id == dataset_id)).one_or_none()
    return None if row is None else _dataset(row)


def of_project(connection: Connection, project_id: int) -> list[Dataset]:
    """The train dataset before the test dataset."""
    rows = connection.execute(select(datasets).where(datasets.c.project_id == project_id))
    return sorted(map(_dataset, rows), key=lambda dataset: dataset.type is not DatasetType.TRAIN)


def change_status(
    connection: Connection, dataset_id: int, new: DatasetStatus, message: str, now: int, *, bucket: str | None = None
) -> None:
    """Move on by the table of transitions; IllegalTransition otherwise. `bucket` is kept when None."""
    values: dict[str, Any] = {"status": new, "message": message, "updated": now}
    if bucket is not None:
        values["bucket"] = bucket
    sources = [status.value for status in dataset_sources(new)]
    changed = connection.execute(
        update(datasets).where(datasets.c.id == dataset_id, datasets.c.status.in_(sources)).values(**values)
    )
    if changed.rowcount != 1:
        old = get(connection, dataset_id)
        raise IllegalTransition(old.status if old else DatasetStatus.CREATE_FAILED, new)


def remove(connection: Connection, dataset_id: int) -> None:
    """The dataset with its entries."""
    connection.execute(delete(datasets).where(datasets.c.id == dataset_id))


def stats(connection: Connection, dataset_id: int) -> ImageStats:
    query = select(entries.c.label, func.count()).where(entries.c.dataset_id == dataset_id).group_by(entries.c.label)
    counts: dict[str | None, int] = {label: count for label, count in connection.execute(query)}
    return ImageStats(sum(counts.values()), counts.get(Label.NORMAL, 0), counts.get(Label.ANOMALY, 0))


def keep_changes(connection: Connection, dataset_id: int, lines: bytes) -> None:
    """Hold a batch for its job; there is one at most per dataset."""
    drop_changes(connection, dataset_id)
    connection.execute(insert(changes).values(dataset_id=dataset_id, lines=lines))


def held_changes(connection: Connection, dataset_id: int) -> bytes | None:
    return connection.execute(select(changes.c.lines).where(changes.c.dataset_id == dataset_id)).scalar_one_or_none()


def drop_changes(connection: Connection, dataset_id: int) -> None:
    connection.execute(delete(changes).where(changes.c.dataset_id == dataset_id))


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset(
        row.id,
        row.project_id,
        DatasetType(row.type),
        row.created,
        row.updated,
        DatasetStatus(row.status),
        row.message,
        row.bucket,
    )
