"""Named queries on asynchronous invocations: a queue for each endpoint. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from relook.store.tables.sagemaker_endpoints import async_invocations as queue


@dataclass(frozen=True, slots=True)
class NewInvocation:
    """`input` is the S3 URI of the body, None where `body` holds it. `expires` in milliseconds, `timeout` in seconds.

    `output` and `failure` are the S3 URIs of what it ends in; without one, a failure is told in the log alone.
    """

    endpoint_id: int
    inference_id: str
    created: int
    expires: int
    timeout: int
    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    input: str | None
    body: bytes | None
    output: str
    failure: str | None


@dataclass(frozen=True, slots=True)
class QueuedInvocation(NewInvocation):
    """One that waits; `attempts` were begun already."""

    id: int
    attempts: int


def enqueue(connection: Connection, new: NewInvocation) -> None:
    connection.execute(insert(queue).values(attempts=0, **asdict(new)))


def next_ids(connection: Connection, endpoint_id: int, running: Collection[int], limit: int) -> list[int]:
    """The oldest that wait, those being worked on left out."""
    query = select(queue.c.id).where(queue.c.endpoint_id == endpoint_id, queue.c.id.not_in(list(running)))
    return list(connection.execute(query.order_by(queue.c.id).limit(limit)).scalars())


def expired_ids(connection: Connection, endpoint_id: int, running: Collection[int], now: int, limit: int) -> list[int]:
    """Those that have waited too long, the oldest first, those being worked on left out."""
    query = select(queue.c.id).where(
        queue.c.endpoint_id == endpoint_id, queue.c.id.not_in(list(running)), queue.c.expires < now
    )
    return list(connection.execute(query.order_by(queue.c.id).limit(limit)).scalars())


def waited_for(connection: Connection) -> set[int]:
    """The endpoints for which any waits or is being worked on."""
    return set(connection.execute(select(queue.c.endpoint_id).distinct()).scalars())


def begin(connection: Connection, invocation_id: int) -> QueuedInvocation | None:
    """Count an attempt; None where it is gone (its endpoint was deleted)."""
    changed = update(queue).where(queue.c.id == invocation_id).values(attempts=queue.c.attempts + 1)
    row = connection.execute(changed.returning(*queue.c)).one_or_none()
    return None if row is None else QueuedInvocation(**row._mapping)


def remove(connection: Connection, invocation_id: int) -> None:
    connection.execute(delete(queue).where(queue.c.id == invocation_id))


def waiting(connection: Connection, endpoint_id: int) -> int:
    """How many there are, those being worked on included."""
    query = select(func.count()).select_from(queue).where(queue.c.endpoint_id == endpoint_id)
    return connection.execute(query).scalar_one()
