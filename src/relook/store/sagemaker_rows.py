"""One row of SageMaker's tables: by id, or by a name in an account and region. All inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from relook.core.names import Scope


def find(connection: Connection, table: Table, scope: Scope, name: str, *where: ColumnElement[bool]) -> Row[Any] | None:
    """By a name in any case, in a table that has account, region and key, the name in lower case."""
    columns = table.c
    mine = columns.account == scope.account, columns.region == scope.region, columns.key == name.lower()
    return connection.execute(select(table).where(*mine, *where)).one_or_none()


def get(connection: Connection, table: Table, row_id: int) -> Row[Any] | None:
    return connection.execute(select(table).where(table.c.id == row_id)).one_or_none()
