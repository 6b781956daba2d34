"""Pages of named rows, filtered and sorted as SageMaker's List operations do. All inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, or_, select

from relook.core.names import Scope


@dataclass(frozen=True, slots=True)
class Listing:
    """Which rows, in which order. Times in milliseconds since the epoch, both ends exclusive; None leaves out.

    `sort` is a column: key, created, modified or status. `after` is the (value of `sort`, id) of the last row seen.
    """

    scope: Scope
    limit: int
    sort: str = "created"
    descending: bool = True
    contains: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    modified_after: int | None = None
    modified_before: int | None = None
    status: str | None = None
    after: tuple[Any, int] | None = None


def page(connection: Connection, table: Table, listing: Listing, *where: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Rows of a table that has id, account, region, key (the name in lower case), created, and what is asked for."""
    columns = table.c
    query = select(table).where(
        columns.account == listing.scope.account, columns.region == listing.scope.region, *_filters(table, listing)
    )
    sort = columns[listing.sort]
    order = (sort.desc(), columns.id.desc()) if listing.descending else (sort.asc(), columns.id.asc())
    if listing.after is not None:
        query = query.where(_beyond(sort, columns.id, listing.after, listing.descending))
    return connection.execute(query.where(*where).order_by(*order).limit(listing.limit)).all()


def _filters(table: Table, listing: Listing) -> list[ColumnElement[bool]]:
    columns = table.c
    found: list[ColumnElement[bool]] = []
    if listing.contains is not None:
        found.append(columns.key.contains(listing.contains.lower(), autoescape=True))
    if listing.created_after is not None:
        found.append(columns.created > listing.created_after)
    if listing.created_before is not None:
        found.append(columns.created < listing.created_before)
    if listing.modified_after is not None:
        found.append(columns.modified > listing.modified_after)
    if listing.modified_before is not None:
        found.append(columns.modified < listing.modified_before)
    if listing.status is not None:
        found.append(columns.status == listing.status)
    return found


def _beyond(sort: Column[Any], ident: Column[Any], last: tuple[Any, int], descending: bool) -> ColumnElement[bool]:
    value, last_id = last
    if descending:
        return or_(sort < value, and_(sort == value, ident < last_id))
    return or_(sort > value, and_(sort == value, ident > last_id))
