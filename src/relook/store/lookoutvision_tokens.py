"""The memory of client tokens. All queries run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from relook.core.names import Scope
from relook.store.tables.lookoutvision import client_tokens

LIFETIME = 8 * 3600 * 1000
"""Milliseconds for which a token is remembered."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A token means something only for one operation on one resource of one account and region."""

    scope: Scope
    operation: str
    resource: str
    token: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The first call: a hash of its parameters, its JSON result, and the id of the row that it made or changed."""

    digest: str
    result: Mapping[str, Any]
    subject: int | None


def find(connection: Connection, key: TokenKey, now: int) -> Remembered | None:
    """None also when it is older than LIFETIME."""
    query = select(client_tokens).where(*_is(key), client_tokens.c.created > now - LIFETIME)
    row = connection.execute(query).one_or_none()
    return None if row is None else Remembered(row.digest, row.result, row.subject)


def keep(connection: Connection, key: TokenKey, first: Remembered, now: int) -> None:
    """Remember a call, instead of an older one with this token; forgets all that are past LIFETIME."""
    connection.execute(delete(client_tokens).where(client_tokens.c.created <= now - LIFETIME))
    connection.execute(delete(client_tokens).where(*_is(key)))
    connection.execute(
        insert(client_tokens).values(
            account=key.scope.account,
            region=key.scope.region,
            operation=key.operation,
            resource=key.resource,
            token=key.token,
            digest=first.digest,
            result=dict(first.result),
            subject=first.subject,
            created=now,
        )
    )


def _is(key: TokenKey) -> list[ColumnElement[bool]]:
    table = client_tokens.c
    return [
        table.account == key.scope.account,
        table.region == key.scope.region,
        table.operation == key.operation,
        table.resource == key.resource,
        table.token == key.token,
    ]
