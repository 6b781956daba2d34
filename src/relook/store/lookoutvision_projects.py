"""Named queries on Lookout for Vision projects. All run inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, delete, exists, insert, or_, select, update

from relook.core.names import Scope
from relook.store.tables.lookoutvision import datasets, models, projects


@dataclass(frozen=True, slots=True)
class Project:
    """`created` in milliseconds since the epoch."""

    id: int
    scope: Scope
    name: str
    created: int


def create(connection: Connection, scope: Scope, name: str, now: int) -> Project:
    """The name must be free."""
    values = {"account": scope.account, "region": scope.region, "name": name, "created": now, "next_version": 1}
    project_id = connection.execute(insert(projects).values(**values).returning(projects.c.id)).scalar_one()
    return Project(project_id, scope, name, now)


def find(connection: Connection, scope: Scope, name: str) -> Project | None:
    row = connection.execute(_in_scope(scope).where(projects.c.name == name)).one_or_none()
    return None if row is None else _project(row)


def exists_id(connection: Connection, project_id: int | None) -> bool:
    return connection.execute(select(projects.c.id).where(projects.c.id == project_id)).first() is not None


def page(connection: Connection, scope: Scope, *, after: int, limit: int) -> list[Project]:
    """Projects in the order they were created, those with an id greater than `after`."""
    query = _in_scope(scope).where(projects.c.id > after).order_by(projects.c.id).limit(limit)
    return [_project(row) for row in connection.execute(query)]


def has_children(connection: Connection, project_id: int) -> bool:
    """Whether it has datasets or models."""
    children = or_(
        exists().where(datasets.c.project_id == project_id),
        exists().where(models.c.project_id == project_id),
    )
    return bool(connection.execute(select(children)).scalar_one())


def remove(connection: Connection, project_id: int) -> None:
    connection.execute(delete(projects).where(projects.c.id == project_id))


def take_version(connection: Connection, project_id: int) -> int:
    """The next model version; never given out twice, also when the model is deleted."""
    version: int = connection.execute(
        select(projects.c.next_version).where(projects.c.id == project_id).with_for_update()
    ).scalar_one()
    connection.execute(update(projects).where(projects.c.id == project_id).values(next_version=version + 1))
    return version


def _in_scope(scope: Scope) -> Select[tuple[int, str, str, str, int]]:
    columns = (projects.c.id, projects.c.account, projects.c.region, projects.c.name, projects.c.created)
    return select(*columns).where(projects.c.account == scope.account, projects.c.region == scope.region)


def _project(row: Row[tuple[int, str, str, str, int]]) -> Project:
    return Project(row.id, Scope(row.account, row.region), row.name, row.created)
