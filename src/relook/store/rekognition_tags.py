"""Named queries on the tags of projects, datasets and versions. All run inside the caller's transaction.

Tags go with their resource when its row does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from relook.store.tables.rekognition import tags


class Kind(StrEnum):
    """The values name columns."""

    PROJECT = "project_id"
    DATASET = "dataset_id"
    VERSION = "version_id"


@dataclass(frozen=True, slots=True)
class Tagged:
    """A resource: its kind, and the id of its row."""

    kind: Kind
    id: int


def of(connection: Connection, resource: Tagged) -> dict[str, str]:
    """In the order they were first set."""
    query = select(tags.c.key, tags.c.value).where(_is(resource)).order_by(tags.c.id)
    return {row.key: row.value for row in connection.execute(query)}


def replace(connection: Connection, resource: Tagged, wanted: Mapping[str, str]) -> None:
    """Make `wanted` all the tags the resource has."""
    connection.execute(delete(tags).where(_is(resource)))
    if wanted:
        rows = [{resource.kind.value: resource.id, "key": key, "value": value} for key, value in wanted.items()]
        connection.execute(insert(tags), rows)


def remove(connection: Connection, resource: Tagged, keys: Collection[str]) -> None:
    """Keys that it does not have are fine."""
    connection.execute(delete(tags).where(_is(resource), tags.c.key.in_(list(keys))))


def _is(resource: Tagged) -> ColumnElement[bool]:
    return tags.c[resource.kind.value] == resource.id
