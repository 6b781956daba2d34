"""Named queries on the tags of SageMaker's resources, by ARN. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, insert, select

from relook.store.tables.sagemaker_models import tags


def of(connection: Connection, arn: str) -> dict[str, str]:
    """In the order they were first set."""
    query = select(tags.c.key, tags.c.value).where(tags.c.arn == arn).order_by(tags.c.id)
    return {row.key: row.value for row in connection.execute(query)}


def replace(connection: Connection, arn: str, wanted: Mapping[str, str]) -> None:
    """Make `wanted` all the tags the resource has; to be called with none when it is deleted."""
    connection.execute(delete(tags).where(tags.c.arn == arn))
    if wanted:
        connection.execute(insert(tags), [{"arn": arn, "key": key, "value": value} for key, value in wanted.items()])


def remove(connection: Connection, arn: str, keys: Collection[str]) -> None:
    """Keys that it does not have are fine."""
    connection.execute(delete(tags).where(tags.c.arn == arn, tags.c.key.in_(list(keys))))
