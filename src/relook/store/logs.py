"""Named queries on log groups, streams and events. All run inside the caller's transaction.

Events are ordered by (time, order of arrival); a Position is such a pair, for tokens. Times are milliseconds since
the Unix epoch. Lines that the programs of this machine write come through `store.log_writer`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from relook.core.clock import system_clock
from relook.core.names import Scope
from relook.store.tables.logs import events, groups, streams

DAY = 86_400_000
"""In milliseconds."""
MAX_EVENT_BYTES = 256 * 1024
EVENT_OVERHEAD = 26
"""CloudWatch counts so many bytes for each event beside its text: toward that limit, and toward stored bytes."""


class Position(NamedTuple):
    """Where an event stands in its stream."""

    time: int
    id: int


@dataclass(frozen=True, slots=True)
class Group:
    """`stored_bytes` is summed over its streams."""

    id: int
    scope: Scope
    name: str
    created: int
    retention_days: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Stream:
    """The times of events are None while there are none."""

    id: int
    name: str
    created: int
    first_event: int | None
    last_event: int | None
    last_ingestion: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Event:
    """One line, without its end."""

    position: Position
    stream: str
    ingested: int
    text: str


def append(
    connection: Connection,
    scope: Scope,
    group: str,
    stream: str,
    lines: Sequence[tuple[int, str]],
    now: int | None = None,
) -> None:
    """Add `(time, text)` lines; group and stream are made where they are missing. `now` is the time of arrival."""
    arrived = system_clock() if now is None else now
    stream_id = ensure_stream(connection, ensure_group(connection, scope, group, arrived), stream, arrived)
    if not lines:
        return
    rows = [{"stream_id": stream_id, "time": time, "ingested": arrived, "text": text} for time, text in lines]
    connection.execute(insert(events), rows)
    times = [time for time, _ in lines]
    size = sum(len(text.encode("utf-8", "replace")) + EVENT_OVERHEAD for _, text in lines)
    first, last = min(times), max(times)
    connection.execute(
        update(streams)
        .where(streams.c.id == stream_id)
        .values(
            first_event=case((streams.c.first_event < first, streams.c.first_event), else_=first),
            last_event=case((streams.c.last_event > last, streams.c.last_event), else_=last),
            last_ingestion=arrived,
            stored_bytes=streams.c.stored_bytes + size,
        )
    )


def ensure_group(connection: Connection, scope: Scope, name: str, now: int) -> int:
    """The id of the group, made if it is missing."""
    found: int | None = connection.execute(select(groups.c.id).where(*_named(scope, name))).scalar()
    return create_group(connection, scope, name, now) if found is None else found


def create_group(connection: Connection, scope: Scope, name: str, now: int) -> int:
    """Its id. IntegrityError when there is one of that name."""
    values = {"account": scope.account, "region": scope.region, "name": name, "created": now}
    made: int = connection.execute(insert(groups).values(values).returning(groups.c.id)).scalar_one()
    return made


def find_group(connection: Connection, scope: Scope, name: str) -> Group | None:
    row = connection.execute(_groups().where(*_named(scope, name))).one_or_none()
    return None if row is None else _group(row)


def list_groups(
    connection: Connection,
    scope: Scope,
    *,
    prefix: str = "",
    contains: str = "",
    after: str = "",
    limit: int,
) -> list[Group]:
    """Groups by name, those after the name `after`."""
    query = _groups().where(groups.c.account == scope.account, groups.c.region == scope.region, groups.c.name > after)
    query = query.where(_starts(groups.c.name, prefix), func.instr(groups.c.name, contains) > 0)
    return [_group(row) for row in connection.execute(query.order_by(groups.c.name).limit(limit))]


def set_retention(connection: Connection, group_id: int, days: int | None) -> None:
    connection.execute(update(groups).where(groups.c.id == group_id).values(retention_days=days))


def delete_group(connection: Connection, group_id: int) -> None:
    """The group with everything in it."""
    connection.execute(delete(groups).where(groups.c.id == group_id))


def ensure_stream(connection: Connection, group_id: int, name: str, now: int) -> int:
    """The id of the stream, made if it is missing."""
    query = select(streams.c.id).where(streams.c.group_id == group_id, streams.c.name == name)
    found: int | None = connection.execute(query).scalar()
    return create_stream(connection, group_id, name, now) if found is None else found


def create_stream(connection: Connection, group_id: int, name: str, now: int) -> int:
    """Its id. IntegrityError when there is one of that name."""
    values = {"group_id": group_id, "name": name, "created": now, "stored_bytes": 0}
    made: int = connection.execute(insert(streams).values(values).returning(streams.c.id)).scalar_one()
    return made


def find_stream(connection: Connection, group_id: int, name: str) -> Stream | None:
    query = select(streams).where(streams.c.group_id == group_id, streams.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else _stream(row)


def list_streams(
    connection: Connection,
    group_id: int,
    *,
    prefix: str = "",
    by_last_event: bool = False,
    descending: bool = False,
    offset: int = 0,
    limit: int,
) -> list[Stream]:
    """Streams by name, or by the time of their last event (those without one count as 0)."""
    keys: list[ColumnElement[Any]] = [func.coalesce(streams.c.last_event, 0)] if by_last_event else []
    keys.append(streams.c.name)
    order = [key.desc() if descending else key.asc() for key in keys]
    query = select(streams).where(streams.c.group_id == group_id, _starts(streams.c.name, prefix))
    return [_stream(row) for row in connection.execute(query.order_by(*order).offset(offset).limit(limit))]


def delete_stream(connection: Connection, stream_id: int) -> None:
    connection.execute(delete(streams).where(streams.c.id == stream_id))


def list_events(
    connection: Connection,
    stream_ids: Collection[int],
    *,
    start: int | None = None,
    end: int | None = None,
    after: Position | None = None,
    before: Position | None = None,
    newest: bool = False,
    limit: int,
) -> list[Event]:
    """Events of these streams in ascending order, `start` <= time < `end`, strictly between `after` and `before`.

    Of more than `limit` the first are given, the last with `newest`.
    """
    place = tuple_(events.c.time, events.c.id)
    query = select(events, streams.c.name.label("stream")).join(streams, events.c.stream_id == streams.c.id)
    query = query.where(events.c.stream_id.in_(list(stream_ids)))
    if start is not None:
        query = query.where(events.c.time >= start)
    if end is not None:
        query = query.where(events.c.time < end)
    if after is not None:
        query = query.where(place > tuple_(after.time, after.id))
    if before is not None:
        query = query.where(place < tuple_(before.time, before.id))
    order = (events.c.time.desc(), events.c.id.desc()) if newest else (events.c.time, events.c.id)
    found = [_event(row) for row in connection.execute(query.order_by(*order).limit(limit))]
    return found[::-1] if newest else found


def expire(connection: Connection, now: int, most: int = 1000) -> int:
    """Remove events that are older than their group's retention, `most` of them at once; returns how many."""
    removed = 0
    kept = select(streams.c.id, groups.c.retention_days).join(groups, streams.c.group_id == groups.c.id)
    kept = kept.where(groups.c.retention_days.is_not(None)).order_by(streams.c.id)
    for stream_id, days in connection.execute(kept).all():
        if removed < most:
            removed += _expire_stream(connection, stream_id, now - days * DAY, most - removed)
    return removed


def _expire_stream(connection: Connection, stream_id: int, before: int, most: int) -> int:
    mine = events.c.stream_id == stream_id
    size = func.length(cast(events.c.text, LargeBinary)) + EVENT_OVERHEAD
    old = select(events.c.id, size).where(mine, events.c.time < before)
    found = connection.execute(old.order_by(events.c.time, events.c.id).limit(most)).all()
    if found:
        connection.execute(delete(events).where(events.c.id.in_([ident for ident, _ in found])))
        left = select(func.min(events.c.time), func.max(events.c.time)).where(mine)
        first, last = connection.execute(left).one()
        bytes_left = streams.c.stored_bytes - sum(size for _, size in found)
        values = {"first_event": first, "last_event": last, "stored_bytes": bytes_left}
        connection.execute(update(streams).where(streams.c.id == stream_id).values(values))
    return len(found)


def _named(scope: Scope, name: str) -> tuple[ColumnElement[bool], ...]:
    return groups.c.account == scope.account, groups.c.region == scope.region, groups.c.name == name


def _starts(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Case-sensitive, which LIKE is not; nothing in the prefix is special."""
    return func.substr(column, 1, len(prefix)) == prefix


def _groups() -> Any:
    size = select(func.coalesce(func.sum(streams.c.stored_bytes), 0)).where(streams.c.group_id == groups.c.id)
    return select(groups, size.scalar_subquery().label("stored_bytes"))


def _group(row: Row[Any]) -> Group:
    scope = Scope(row.account, row.region)
    return Group(row.id, scope, row.name, row.created, row.retention_days, row.stored_bytes)


def _stream(row: Row[Any]) -> Stream:
    return Stream(
        id=row.id,
        name=row.name,
        created=row.created,
        first_event=row.first_event,
        last_event=row.last_event,
        last_ingestion=row.last_ingestion,
        stored_bytes=row.stored_bytes,
    )


def _event(row: Row[Any]) -> Event:
    return Event(Position(row.time, row.id), row.stream, row.ingested, row.text)
