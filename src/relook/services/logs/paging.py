"""Pages of log events: at most so many, at most a MiB of text, read from the table a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection

from relook.core.paging import Scope, TokenError, decode_cursor, encode_cursor
from relook.services.logs.errors import invalid_token
from relook.store import logs as rows
from relook.store.logs import Event, Position

MOST_EVENTS = 10_000
_MOST_BYTES = 2**20
_BATCH = 500
_MOST_READ = 100_000
"""Events that one request looks at, however few of them it wants."""


@dataclass(frozen=True, slots=True)
class Range:
    """Events of some streams, `start` <= time < `end`."""

    streams: Collection[int]
    start: int | None
    end: int | None


@dataclass(slots=True)
class Page:
    """`reached` is where reading ended, None before the first event; `whole` tells that there was no more."""

    events: list[Event] = field(default_factory=list)
    reached: Position | None = None
    whole: bool = True


def read_page(
    connection: Connection,
    span: Range,
    place: Position | None,
    limit: int,
    *,
    backward: bool = False,
    wanted: Callable[[str], bool] = lambda text: True,
) -> Page:
    """The wanted events beyond `place`, in the order in which they were met: newest first when `backward`."""
    page, size, looked_at = Page(reached=place), 0, 0
    while looked_at < _MOST_READ:
        batch = rows.list_events(
            connection,
            span.streams,
            start=span.start,
            end=span.end,
            after=None if backward else page.reached,
            before=page.reached if backward else None,
            newest=backward,
            limit=_BATCH,
        )
        for event in reversed(batch) if backward else batch:
            if wanted(event.text):
                size += len(event.text.encode("utf-8", "replace")) + rows.EVENT_OVERHEAD
                if page.events and (size > _MOST_BYTES or len(page.events) == limit):
                    page.whole = False
                    return page
                page.events.append(event)
            page.reached = event.position
        if len(batch) < _BATCH:
            return page
        looked_at += len(batch)
    page.whole = False
    return page


def position_token(what: Scope, place: Position) -> str:
    return encode_cursor(what, max(place.time, 0), max(place.id, 0))


def position_of(what: Scope, token: str) -> Position:
    """InvalidParameterException for a token that is none of this list's."""
    try:
        time, serial = decode_cursor(what, token)
    except TokenError:
        raise invalid_token() from None
    return Position(int(time), serial)
