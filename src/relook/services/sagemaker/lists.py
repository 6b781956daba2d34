"""What the List operations share: filters, order, MaxResults and NextToken, over any table of named rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table

from relook.aws.operation import Members, RequestContext
from relook.core.dates import to_milliseconds
from relook.core.paging import Scope, TokenError, decode_cursor, encode_cursor
from relook.services.sagemaker.errors import validation
from relook.services.sagemaker.names import scope_of
from relook.store.sagemaker_lists import Listing, page

_DEFAULT = 10
_COLUMNS = {"Name": "key", "CreationTime": "created", "LastModifiedTime": "modified", "Status": "status"}
_PAGING = frozenset({"NextToken", "MaxResults"})


def listed(
    connection: Connection,
    context: RequestContext,
    members: Members,
    table: Table,
    *where: ColumnElement[bool],
    ascending: bool = False,
    status: str = "StatusEquals",
) -> tuple[Sequence[Row[Any]], dict[str, Any]]:
    """One page of rows and, under "NextToken", the way to the next one if there is more.

    `table` has the columns that `store.sagemaker_lists.page` needs. `ascending` is the order where SortOrder is not
    given; `status` the member that filters by status. Further filters of an operation go into `where`; their members
    are part of what a token is good for, as all members are.
    """
    what = _what(context, members, table)
    listing = _listing(context, members, what, ascending=ascending, status=status)
    rows = page(connection, table, listing, *where)
    limit = listing.limit - 1
    if len(rows) <= limit:
        return rows, {}
    last = rows[limit - 1]._mapping
    return rows[:limit], {"NextToken": encode_cursor(what, last[listing.sort], last["id"])}


def _listing(context: RequestContext, members: Members, what: Scope, *, ascending: bool, status: str) -> Listing:
    order = members.get("SortOrder", "Ascending" if ascending else "Descending")
    return Listing(
        scope=scope_of(context),
        limit=members.get("MaxResults", _DEFAULT) + 1,
        sort=_COLUMNS[members.get("SortBy", "CreationTime")],
        descending=order == "Descending",
        contains=members.get("NameContains"),
        created_after=_time(members, "CreationTimeAfter"),
        created_before=_time(members, "CreationTimeBefore"),
        modified_after=_time(members, "LastModifiedTimeAfter"),
        modified_before=_time(members, "LastModifiedTimeBefore"),
        status=members.get(status),
        after=_after(what, members.get("NextToken")),
    )


def _what(context: RequestContext, members: Members, table: Table) -> Scope:
    """All that makes the list what it is: everything asked for but the page."""
    asked = sorted((name, _plain(value)) for name, value in members.items() if name not in _PAGING)
    return (context.account, context.region, table.name, *(f"{name}={value}" for name, value in asked))


def _after(what: Scope, token: str | None) -> tuple[Any, int] | None:
    if not token:
        return None
    try:
        return decode_cursor(what, token)
    except TokenError as error:
        raise validation(str(error)) from None


def _time(members: Members, name: str) -> int | None:
    given = members.get(name)
    return None if given is None else to_milliseconds(given)


def _plain(value: object) -> str:
    return str(to_milliseconds(value)) if isinstance(value, datetime) else str(value)
