"""GetLogEvents and FilterLogEvents."""

from __future__ import annotations

from typing import Any

from relook.aws.operation import Members, RequestContext, operation
from relook.services.logs.errors import invalid_token
from relook.services.logs.finding import chosen_streams, group_resource, named_group, named_stream
from relook.services.logs.paging import MOST_EVENTS, Page, Range, position_of, position_token, read_page
from relook.services.logs.patterns import pattern_of
from relook.store.engine import Store
from relook.store.logs import Event, Position

_FORWARD, _BACKWARD = "f/", "b/"


class Reading:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("GetLogEvents", resource=group_resource)
    def get(self, context: RequestContext, members: Members) -> Members:
        """A page of one stream in ascending order, with the tokens of the pages on both sides.

        At an end of the stream the token that leads beyond it is the one that was given: clients stop there, and ask
        again when they wait for more.
        """
        with self._store.read() as connection:
            group = named_group(connection, context, members)
            stream = named_stream(connection, group, members["logStreamName"])
            span = Range([stream.id], members.get("startTime"), members.get("endTime"))
            what = (context.account, context.region, "events", stream.id)
            place, backward = _place(what, members.get("nextToken"), bool(members.get("startFromHead")))
            page = read_page(connection, span, place, members.get("limit", MOST_EVENTS), backward=backward)
        events = page.events[::-1] if backward else page.events
        ahead, behind = _around(events, place or Position(span.start or 0, 0), backward=backward)
        return {
            "events": [_told(event) for event in events],
            "nextForwardToken": _FORWARD + position_token(what, ahead),
            "nextBackwardToken": _BACKWARD + position_token(what, behind),
        }

    @operation("FilterLogEvents", resource=group_resource)
    def filter(self, context: RequestContext, members: Members) -> Members:
        """The events of many streams that a pattern wants. A page may be empty and have a next one."""
        wanted = pattern_of(members.get("filterPattern") or "")
        end = members.get("endTime")
        with self._store.read() as connection:
            group = named_group(connection, context, members)
            streams = chosen_streams(connection, group, members)
            # Here the end belongs to the range, other than in GetLogEvents.
            span = Range(list(streams), members.get("startTime"), None if end is None else end + 1)
            what = _list(context, group.id, members)
            place, backward = _place(what, members.get("nextToken"), members.get("startFromHead") is not False)
            limit = members.get("limit", MOST_EVENTS)
            page = read_page(connection, span, place, limit, backward=backward, wanted=wanted)
        answer: dict[str, Any] = {"events": [_filtered(event) for event in page.events], "searchedLogStreams": []}
        if (token := _next(what, page, backward)) is not None:
            answer["nextToken"] = token
        return answer


def _place(what: tuple[Any, ...], token: str | None, from_head: bool) -> tuple[Position | None, bool]:
    """Where a page begins, and whether it goes backward: what a token says counts more than `from_head`."""
    if token is None:
        return None, not from_head
    direction, rest = token[:2], token[2:]
    if direction not in (_FORWARD, _BACKWARD):
        raise invalid_token()
    return position_of(what, rest), direction == _BACKWARD


def _around(events: list[Event], place: Position, *, backward: bool) -> tuple[Position, Position]:
    """What the pages after and before this one begin beyond."""
    if events:
        return events[-1].position, events[0].position
    # Nothing beyond `place`, which the page on the other side shall not leave out.
    if backward:
        return Position(place.time, place.id - 1), place
    return place, Position(place.time, place.id + 1)


def _list(context: RequestContext, group: int, members: Members) -> tuple[Any, ...]:
    asked = (members.get(name) for name in ("startTime", "endTime", "filterPattern", "logStreamNamePrefix"))
    return (context.account, context.region, "filter", group, *asked, *(members.get("logStreamNames") or ()))


def _next(what: tuple[Any, ...], page: Page, backward: bool) -> str | None:
    if page.whole or page.reached is None:
        return None
    return (_BACKWARD if backward else _FORWARD) + position_token(what, page.reached)


def _told(event: Event) -> dict[str, Any]:
    return {"timestamp": event.position.time, "message": event.text, "ingestionTime": event.ingested}


def _filtered(event: Event) -> dict[str, Any]:
    # As many digits for each, as the original's ids have.
    serial = f"{event.position.time:020d}{event.position.id:036d}"
    return {"logStreamName": event.stream, "eventId": serial, **_told(event)}
