"""Named queries on roles and their policies. All run inside the caller's transaction.

A policy with a document is the role's own, under its name; one without is attached, under its ARN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from relook.store.tables.iam import role_policies, roles


@dataclass(frozen=True, slots=True)
class Role:
    """`trust` is the policy's text as it was given; `created` in milliseconds."""

    account: str
    name: str
    path: str
    unique_id: str
    created: int
    trust: str
    description: str | None
    session_seconds: int
    tags: Mapping[str, str]
    id: int = 0


def create(connection: Connection, role: Role) -> None:
    """IntegrityError when there is one of that name."""
    values = {name: getattr(role, name) for name in Role.__slots__ if name != "id"}
    connection.execute(insert(roles).values(values | {"key": role.name.lower()}))


def find(connection: Connection, account: str, name: str) -> Role | None:
    query = select(roles).where(roles.c.account == account, roles.c.key == name.lower())
    row = connection.execute(query).one_or_none()
    return None if row is None else _role(row)


def page(connection: Connection, account: str, *, path: str, after: str, limit: int) -> list[Role]:
    """Roles by name without case, those after the name `after`, whose path begins with `path`."""
    query = select(roles).where(roles.c.account == account, roles.c.key > after.lower())
    query = query.where(func.substr(roles.c.path, 1, len(path)) == path).order_by(roles.c.key).limit(limit)
    return [_role(row) for row in connection.execute(query)]


def remove(connection: Connection, role: Role) -> None:
    connection.execute(delete(roles).where(roles.c.id == role.id))


def set_policy(connection: Connection, role: Role, name: str, document: str | None) -> None:
    """Put a policy on the role, in place of the one of that name."""
    drop_policy(connection, role, name)
    connection.execute(insert(role_policies).values(role_id=role.id, name=name, document=document))


def drop_policy(connection: Connection, role: Role, name: str) -> bool:
    """Whether it was there."""
    query = delete(role_policies).where(role_policies.c.role_id == role.id, role_policies.c.name == name)
    return connection.execute(query).rowcount > 0


def policies(connection: Connection, role: Role, *, own: bool) -> dict[str, str | None]:
    """Documents by name, in its order; of the role's own policies or, without documents, of those attached."""
    document = role_policies.c.document
    query = select(role_policies).where(role_policies.c.role_id == role.id)
    query = query.where(document.is_not(None) if own else document.is_(None)).order_by(role_policies.c.name)
    return {row.name: row.document for row in connection.execute(query)}


def _role(row: Row[Any]) -> Role:
    return Role(**{name: getattr(row, name) for name in Role.__slots__})
