"""Named queries on SageMaker's model packages and their groups. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, insert, select, update

from relook.core.names import Scope
from relook.store import sagemaker_rows as rows
from relook.store.tables.sagemaker_models import package_groups, packages


@dataclass(frozen=True, slots=True)
class Group:
    """Times in milliseconds since the epoch, here and below."""

    id: int
    scope: Scope
    name: str
    created: int
    description: str | None


@dataclass(frozen=True, slots=True)
class Package:
    """`name` is its own; or its group's, and then it has a version, from 1."""

    id: int
    scope: Scope
    name: str
    version: int | None
    created: int
    modified: int
    approval: str | None
    digest: str
    content: Mapping[str, Any]

    @property
    def full_name(self) -> str:
        """As ARNs have it: the name, or group/version."""
        return full_name(self.name, self.version)


@dataclass(frozen=True, slots=True)
class NewPackage:
    """`digest` is a hash of the request that `token` came with."""

    name: str
    approval: str | None
    token: str | None
    digest: str
    content: Mapping[str, Any]


def create_group(connection: Connection, scope: Scope, name: str, description: str | None, now: int) -> None:
    """The name must be free, whatever its case."""
    values = {"account": scope.account, "region": scope.region, "key": name.lower(), "name": name}
    connection.execute(insert(package_groups).values(**values, created=now, description=description, next_version=1))


def find_group(connection: Connection, scope: Scope, name: str) -> Group | None:
    row = rows.find(connection, package_groups, scope, name)
    return None if row is None else group(row)


def has_packages(connection: Connection, group_id: int) -> bool:
    return bool(connection.execute(select(exists().where(packages.c.group_id == group_id))).scalar_one())


def remove_group(connection: Connection, group_id: int) -> None:
    connection.execute(delete(package_groups).where(package_groups.c.id == group_id))


def create(connection: Connection, scope: Scope, new: NewPackage, group_id: int | None, now: int) -> str:
    """Its full name. In a group it becomes the next version: numbers are never given out twice."""
    version = None if group_id is None else _take_version(connection, group_id)
    connection.execute(
        insert(packages).values(
            account=scope.account,
            region=scope.region,
            key=new.name.lower(),
            name=new.name,
            group_id=group_id,
            version=version or 0,
            created=now,
            modified=now,
            approval=new.approval,
            token=new.token,
            digest=new.digest,
            content=dict(new.content),
        )
    )
    return full_name(new.name, version)


def full_name(name: str, version: int | None) -> str:
    return name if version is None else f"{name}/{version}"


def find(connection: Connection, scope: Scope, full: str) -> Package | None:
    """By a full name in any case."""
    name, _, version = full.lower().partition("/")
    if version and not (version.isascii() and version.isdigit()):
        return None
    return _one(connection, scope, and_(packages.c.key == name, packages.c.version == int(version or 0)))


def made_by(connection: Connection, scope: Scope, token: str) -> Package | None:
    """The package that a call with this client token made."""
    return _one(connection, scope, packages.c.token == token)


def change(
    connection: Connection, package_id: int, *, approval: str | None, content: Mapping[str, Any], now: int
) -> None:
    values = {"approval": approval, "content": dict(content), "modified": now}
    connection.execute(update(packages).where(packages.c.id == package_id).values(**values))


def remove(connection: Connection, package_id: int) -> None:
    connection.execute(delete(packages).where(packages.c.id == package_id))


def group(row: Row[Any]) -> Group:
    """A row of the whole table, as is that of `package`."""
    return Group(row.id, Scope(row.account, row.region), row.name, row.created, row.description)


def package(row: Row[Any]) -> Package:
    return Package(
        id=row.id,
        scope=Scope(row.account, row.region),
        name=row.name,
        version=row.version or None,
        created=row.created,
        modified=row.modified,
        approval=row.approval,
        digest=row.digest,
        content=row.content,
    )


def _one(connection: Connection, scope: Scope, which: ColumnElement[bool]) -> Package | None:
    table = packages.c
    query = select(packages).where(table.account == scope.account, table.region == scope.region, which)
    row = connection.execute(query.order_by(table.id.desc()).limit(1)).one_or_none()
    return None if row is None else package(row)


def _take_version(connection: Connection, group_id: int) -> int:
    where = package_groups.c.id == group_id
    version: int = connection.execute(select(package_groups.c.next_version).where(where).with_for_update()).scalar_one()
    connection.execute(update(package_groups).where(where).values(next_version=version + 1))
    return version
