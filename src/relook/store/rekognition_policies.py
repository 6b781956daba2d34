"""Named queries on project policies. All run inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from relook.store.tables.rekognition import policies


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in milliseconds since the epoch."""

    id: int
    project_id: int
    name: str
    revision: str
    document: str
    created: int
    updated: int


def create(connection: Connection, project_id: int, name: str, revision: str, document: str, now: int) -> None:
    """The project must not have one of this name."""
    values = {"project_id": project_id, "name": name, "revision": revision, "document": document}
    connection.execute(insert(policies).values(**values, created=now, updated=now))


def revise(connection: Connection, policy_id: int, revision: str, document: str, now: int) -> None:
    values = {"revision": revision, "document": document, "updated": now}
    connection.execute(update(policies).where(policies.c.id == policy_id).values(**values))


def find(connection: Connection, project_id: int, name: str) -> Policy | None:
    query = select(policies).where(policies.c.project_id == project_id, policies.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else _policy(row)


def page(connection: Connection, project_id: int, *, after: int | None, limit: int) -> list[Policy]:
    """In the order they were made, those with an id above `after`."""
    query = select(policies).where(policies.c.project_id == project_id)
    if after is not None:
        query = query.where(policies.c.id > after)
    return [_policy(row) for row in connection.execute(query.order_by(policies.c.id).limit(limit))]


def documents(connection: Connection, project_id: int) -> list[str]:
    query = select(policies.c.document).where(policies.c.project_id == project_id).order_by(policies.c.id)
    return list(connection.execute(query).scalars())


def count(connection: Connection, project_id: int) -> int:
    query = select(func.count()).select_from(policies).where(policies.c.project_id == project_id)
    return connection.execute(query).scalar_one()


def remove(connection: Connection, policy_id: int) -> None:
    connection.execute(delete(policies).where(policies.c.id == policy_id))


def _policy(row: Row[Any]) -> Policy:
    return Policy(row.id, row.project_id, row.name, row.revision, row.document, row.created, row.updated)
