"""Named queries on scalable targets, their policies and activities. All run inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from relook.core.names import Scope
from relook.store.tables.autoscaling import activities, policies, targets

IN_PROGRESS, SUCCESSFUL, FAILED = "InProgress", "Successful", "Failed"
_KEPT = 42 * 86_400_000
"""Milliseconds for which activities are told."""


@dataclass(frozen=True, slots=True)
class Target:
    """Times in milliseconds; `suspended` as SuspendedState has it."""

    id: int
    scope: Scope
    resource: str
    unique_id: str
    least: int
    most: int
    role: str | None
    suspended: Mapping[str, bool]
    created: int
    scaled_out: int | None
    scaled_in: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    id: int
    target_id: int
    resource: str
    name: str
    unique_id: str
    configuration: Mapping[str, Any]
    created: int


@dataclass(frozen=True, slots=True)
class Activity:
    """To have `count` instances; `message` tells how it ended."""

    id: int
    scope: Scope
    resource: str
    unique_id: str
    count: int
    cause: str
    status: str
    message: str | None
    started: int
    ended: int | None


def find_target(connection: Connection, scope: Scope, resource: str) -> Target | None:
    row = connection.execute(select(targets).where(*_in_scope(targets, scope, [resource]))).one_or_none()
    return None if row is None else _target(row)


def put_target(connection: Connection, scope: Scope, resource: str, now: int, **columns: Any) -> Target:
    """Make it, or change the given columns of the one that is there."""
    found = find_target(connection, scope, resource)
    if found is None:
        key = {"account": scope.account, "region": scope.region, "resource": resource}
        made = {"unique_id": uuid.uuid4().hex, "created": now, "suspended": {}}
        connection.execute(insert(targets).values(key | made | columns))
    elif columns:
        change_target(connection, found.id, **columns)
    target = find_target(connection, scope, resource)
    assert target is not None
    return target


def change_target(connection: Connection, target_id: int, **columns: Any) -> None:
    connection.execute(update(targets).where(targets.c.id == target_id).values(columns))


def remove_target(connection: Connection, target_id: int) -> None:
    """With its policies; the activities stay."""
    connection.execute(delete(targets).where(targets.c.id == target_id))


def list_targets(
    connection: Connection, scope: Scope, resources: Collection[str] = (), *, after: int = 0, limit: int
) -> list[Target]:
    """By age; all when no resources are named."""
    query = select(targets).where(*_in_scope(targets, scope, resources), targets.c.id > after)
    return [_target(row) for row in connection.execute(query.order_by(targets.c.id).limit(limit))]


def every_target(connection: Connection) -> list[Target]:
    """Of all accounts and regions, by age."""
    return [_target(row) for row in connection.execute(select(targets).order_by(targets.c.id))]


def put_policy(connection: Connection, target: Target, name: str, configuration: Mapping[str, Any], now: int) -> Policy:
    """Make it, or give the one of that name another configuration."""
    chosen = policies.c.target_id == target.id, policies.c.name == name
    if not connection.execute(update(policies).where(*chosen).values(configuration=configuration)).rowcount:
        values = {"target_id": target.id, "name": name, "unique_id": str(uuid.uuid4()), "created": now}
        connection.execute(insert(policies).values(values | {"configuration": configuration}))
    return next(policy for policy in policies_of(connection, target) if policy.name == name)


def policies_of(connection: Connection, target: Target) -> list[Policy]:
    """By age."""
    query = _policies().where(policies.c.target_id == target.id).order_by(policies.c.id)
    return [_policy(row) for row in connection.execute(query)]


def list_policies(
    connection: Connection,
    scope: Scope,
    *,
    resources: Collection[str] = (),
    names: Collection[str] = (),
    after: int,
    limit: int,
) -> list[Policy]:
    """By age; those of all targets, and of all names, where none are named."""
    query = _policies().where(*_in_scope(targets, scope, resources), policies.c.id > after)
    if names:
        query = query.where(policies.c.name.in_(list(names)))
    return [_policy(row) for row in connection.execute(query.order_by(policies.c.id).limit(limit))]


def remove_policy(connection: Connection, target: Target, name: str) -> bool:
    """Whether it was there."""
    query = delete(policies).where(policies.c.target_id == target.id, policies.c.name == name)
    return connection.execute(query).rowcount > 0


def add_activity(
    connection: Connection, target: Target, count: int, cause: str, now: int, failure: str | None = None
) -> None:
    """One in progress, or one that has failed already. Forgets those that are too old to be told."""
    connection.execute(
        insert(activities).values(
            account=target.scope.account,
            region=target.scope.region,
            resource=target.resource,
            unique_id=str(uuid.uuid4()),
            count=count,
            cause=cause,
            status=IN_PROGRESS if failure is None else FAILED,
            message=failure,
            started=now,
            ended=None if failure is None else now,
        )
    )
    connection.execute(delete(activities).where(activities.c.started < now - _KEPT))


def open_activities(connection: Connection) -> list[Activity]:
    """Those that are in progress, of all accounts and regions, also of targets that are there no more."""
    query = select(activities).where(activities.c.status == IN_PROGRESS).order_by(activities.c.id)
    return [_activity(row) for row in connection.execute(query)]


def end_activity(connection: Connection, activity_id: int, status: str, message: str, now: int) -> None:
    values = {"status": status, "message": message, "ended": now}
    connection.execute(update(activities).where(activities.c.id == activity_id).values(values))


def list_activities(
    connection: Connection, scope: Scope, resources: Collection[str] = (), *, before: int | None = None, limit: int
) -> list[Activity]:
    """The newest first."""
    query = select(activities).where(*_in_scope(activities, scope, resources))
    if before is not None:
        query = query.where(activities.c.id < before)
    return [_activity(row) for row in connection.execute(query.order_by(activities.c.id.desc()).limit(limit))]


def _in_scope(table: Any, scope: Scope, resources: Collection[str]) -> tuple[Any, ...]:
    place = table.c.account == scope.account, table.c.region == scope.region
    return (*place, table.c.resource.in_(list(resources))) if resources else place


def _policies() -> Any:
    return select(policies, targets.c.resource).join(targets, policies.c.target_id == targets.c.id)


def _target(row: Row[Any]) -> Target:
    names = [name for name in Target.__slots__ if name != "scope"]
    return Target(scope=Scope(row.account, row.region), **{name: getattr(row, name) for name in names})


def _policy(row: Row[Any]) -> Policy:
    return Policy(**{name: getattr(row, name) for name in Policy.__slots__})


def _activity(row: Row[Any]) -> Activity:
    # `count` would be the method of the row's own.
    names = [name for name in Activity.__slots__ if name != "scope"]
    return Activity(scope=Scope(row.account, row.region), **{name: row._mapping[name] for name in names})
