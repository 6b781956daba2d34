"""Named queries on the tags of models. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, insert, select

from relook.store.tables.lookoutvision import tags


def of_model(connection: Connection, model_id: int) -> dict[str, str]:
    """In the order they were first set."""
    query = select(tags.c.key, tags.c.value).where(tags.c.model_id == model_id).order_by(tags.c.id)
    return {row.key: row.value for row in connection.execute(query)}


def replace(connection: Connection, model_id: int, wanted: Mapping[str, str]) -> None:
    """Make `wanted` all the tags the model has."""
    connection.execute(delete(tags).where(tags.c.model_id == model_id))
    if wanted:
        rows = [{"model_id": model_id, "key": key, "value": value} for key, value in wanted.items()]
        connection.execute(insert(tags), rows)


def remove(connection: Connection, model_id: int, keys: Collection[str]) -> None:
    """Keys that it does not have are fine."""
    connection.execute(delete(tags).where(tags.c.model_id == model_id, tags.c.key.in_(list(keys))))
