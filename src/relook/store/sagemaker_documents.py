"""Named queries on SageMaker's models, endpoint configurations and algorithms. All inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert

from relook.core.names import Scope
from relook.store import sagemaker_rows as rows
from relook.store.tables.sagemaker_models import documents


class DocumentKind(StrEnum):
    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ALGORITHM = "algorithm"


@dataclass(frozen=True, slots=True)
class Document:
    """`content` are JSON values that never change; `created` in milliseconds since the epoch."""

    id: int
    scope: Scope
    name: str
    created: int
    content: Mapping[str, Any]


def create(
    connection: Connection, scope: Scope, kind: DocumentKind, name: str, content: Mapping[str, Any], now: int
) -> None:
    """The name must be free, whatever its case."""
    values = {"account": scope.account, "region": scope.region, "kind": kind.value, "key": name.lower(), "name": name}
    connection.execute(insert(documents).values(**values, created=now, content=dict(content)))


def find(connection: Connection, scope: Scope, kind: DocumentKind, name: str) -> Document | None:
    """By a name in any case."""
    row = rows.find(connection, documents, scope, name, of_kind(kind))
    return None if row is None else document(row)


def remove(connection: Connection, document_id: int) -> None:
    connection.execute(delete(documents).where(documents.c.id == document_id))


def of_kind(kind: DocumentKind) -> ColumnElement[bool]:
    return documents.c.kind == kind.value


def document(row: Row[Any]) -> Document:
    """A row of the whole table."""
    return Document(row.id, Scope(row.account, row.region), row.name, row.created, row.content)
