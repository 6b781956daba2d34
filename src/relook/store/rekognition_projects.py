"""Named queries on Custom Labels projects. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, or_, select

from relook.core.custom_labels.names import ProjectName
from relook.core.custom_labels.states import VersionStatus
from relook.core.names import Scope
from relook.store.tables.rekognition import datasets, projects, versions


@dataclass(frozen=True, slots=True)
class Project:
    """`name` tells when it was created, too."""

    id: int
    name: ProjectName

    @property
    def scope(self) -> Scope:
        return self.name.scope


def create(connection: Connection, scope: Scope, name: str, now: int) -> Project:
    """The name must be free."""
    values = {"account": scope.account, "region": scope.region, "name": name, "created": now}
    project_id: int = connection.execute(insert(projects).values(**values).returning(projects.c.id)).scalar_one()
    return Project(project_id, ProjectName(scope, name, now))


def find(connection: Connection, name: ProjectName) -> Project | None:
    """The project that an ARN names: one that was made at another time under the same name is another."""
    query = _in_scope(name.scope).where(projects.c.name == name.project, projects.c.created == name.created)
    row = connection.execute(query).one_or_none()
    return None if row is None else _project(row)


def named(connection: Connection, scope: Scope, name: str) -> Project | None:
    row = connection.execute(_in_scope(scope).where(projects.c.name == name)).one_or_none()
    return None if row is None else _project(row)


def page(
    connection: Connection, scope: Scope, names: Collection[str] | None, *, before: int | None, limit: int
) -> list[Project]:
    """The newest first, those with an id below `before`; of all names where none are given."""
    query = _in_scope(scope)
    if names is not None:
        query = query.where(projects.c.name.in_(list(names)))
    if before is not None:
        query = query.where(projects.c.id < before)
    return [_project(row) for row in connection.execute(query.order_by(projects.c.id.desc()).limit(limit))]


def count(connection: Connection, scope: Scope) -> int:
    return connection.execute(select(func.count()).select_from(_in_scope(scope).subquery())).scalar_one()


def has_children(connection: Connection, project_id: int) -> bool:
    """Whether it has datasets, or versions that are not being deleted."""
    children = or_(
        exists().where(datasets.c.project_id == project_id),
        exists().where(versions.c.project_id == project_id, versions.c.status != VersionStatus.DELETING),
    )
    return bool(connection.execute(select(children)).scalar_one())


def has_versions(connection: Connection, project_id: int, status: VersionStatus) -> bool:
    """Whether a version of it is in this status."""
    query = select(versions.c.id).where(versions.c.project_id == project_id, versions.c.status == status)
    return connection.execute(query).first() is not None


def remove(connection: Connection, project_id: int) -> None:
    """The project with its policies, its tags, and versions that are being deleted."""
    connection.execute(delete(projects).where(projects.c.id == project_id))


def _in_scope(scope: Scope) -> Select[Any]:
    return select(projects).where(projects.c.account == scope.account, projects.c.region == scope.region)


def _project(row: Row[Any]) -> Project:
    return Project(row.id, ProjectName(Scope(row.account, row.region), row.name, row.created))
