"""Named queries on SageMaker endpoints. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, null, select, update

from relook.core.deployments import Deployment
from relook.core.endpoint_states import RUNNING, EndpointStatus, sources
from relook.core.names import Scope
from relook.store import sagemaker_rows as rows
from relook.store.tables.sagemaker_endpoints import endpoints


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`current` serves (or is to); `pending` is what an update brings up beside it. Times in milliseconds."""

    id: int
    scope: Scope
    name: str
    status: EndpointStatus
    created: int
    modified: int
    failure: str | None
    current: Deployment
    pending: Deployment | None

    @property
    def wanted(self) -> Deployment:
        """What it will run once an update has ended well."""
        return self.pending or self.current


def create(connection: Connection, scope: Scope, name: str, deployment: Deployment, now: int) -> int:
    """Add it in Creating; returns its id."""
    endpoint_id: int = connection.execute(
        insert(endpoints)
        .values(
            account=scope.account,
            region=scope.region,
            name=name,
            key=name.lower(),
            status=EndpointStatus.CREATING.value,
            created=now,
            modified=now,
            current=deployment.dump(),
            pending=null(),
        )
        .returning(endpoints.c.id)
    ).scalar_one()
    return endpoint_id


def find(connection: Connection, scope: Scope, name: str) -> Endpoint | None:
    """By a name in any case."""
    row = rows.find(connection, endpoints, scope, name)
    return None if row is None else endpoint(row)


def get(connection: Connection, endpoint_id: int) -> Endpoint | None:
    row = rows.get(connection, endpoints, endpoint_id)
    return None if row is None else endpoint(row)


def runs(connection: Connection, endpoint_id: int) -> bool:
    """Whether it is there, and neither failed nor being deleted."""
    query = select(endpoints.c.id).where(endpoints.c.id == endpoint_id, endpoints.c.status.in_(_values(RUNNING)))
    return connection.execute(query).first() is not None


def in_status(connection: Connection, statuses: Collection[EndpointStatus]) -> list[Endpoint]:
    """The endpoints of every account in these statuses, oldest first."""
    query = select(endpoints).where(endpoints.c.status.in_(_values(statuses))).order_by(endpoints.c.id)
    return [endpoint(row) for row in connection.execute(query)]


def change_status(connection: Connection, endpoint_id: int, new: EndpointStatus, now: int, **columns: Any) -> bool:
    """Move on by the table of transitions; False, and nothing written, where that is not possible (any more)."""
    values = {name: value.dump() if isinstance(value, Deployment) else value for name, value in columns.items()}
    if values.get("pending", "") is None:
        values["pending"] = null()
    changed = connection.execute(
        update(endpoints)
        .where(endpoints.c.id == endpoint_id, endpoints.c.status.in_(_values(sources(new))))
        .values(status=new.value, modified=now, **values)
    )
    return changed.rowcount == 1


def remove(connection: Connection, endpoint_id: int) -> None:
    """The endpoint, and any invocations that still wait for it: see to those first."""
    connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id))


def _values(statuses: Iterable[EndpointStatus]) -> list[str]:
    return [status.value for status in statuses]


def endpoint(row: Row[Any]) -> Endpoint:
    """A row of the table, as a listing gives it."""
    return Endpoint(
        id=row.id,
        scope=Scope(row.account, row.region),
        name=row.name,
        status=EndpointStatus(row.status),
        created=row.created,
        modified=row.modified,
        failure=row.failure,
        current=Deployment.restore(row.current),
        pending=Deployment.restore(row.pending) if row.pending is not None else None,
    )
