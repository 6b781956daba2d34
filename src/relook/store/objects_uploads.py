"""Named queries on multipart uploads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from relook.store.tables.objects import object_parts, object_uploads


def upload(connection: Connection, bucket: str, key: bytes, upload_id: str) -> Row[Any] | None:
    table = object_uploads
    query = select(table).where(table.c.id == upload_id, table.c.bucket == bucket, table.c.key == key)
    return connection.execute(query).one_or_none()


def insert_upload(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(object_uploads).values(values))


def delete_upload(connection: Connection, upload_id: str) -> list[str]:
    """Delete an upload and its parts; returns their files."""
    query = select(object_parts.c.file).where(object_parts.c.upload == upload_id)
    files = list(connection.execute(query).scalars())
    connection.execute(delete(object_uploads).where(object_uploads.c.id == upload_id))
    return files


def put_part(connection: Connection, values: dict[str, Any]) -> list[str]:
    """Insert a part in place of an earlier one of its number; returns the file of that one."""
    table = object_parts
    same = (table.c.upload == values["upload"], table.c.number == values["number"])
    files = list(connection.execute(select(table.c.file).where(*same)).scalars())
    connection.execute(delete(table).where(*same))
    connection.execute(insert(table).values(values))
    return files


def parts(connection: Connection, upload_id: str, after: int = 0, limit: int = 10_000) -> Sequence[Row[Any]]:
    table = object_parts
    query = select(table).where(table.c.upload == upload_id, table.c.number > after)
    return connection.execute(query.order_by(table.c.number).limit(limit)).all()


def page_of_uploads(
    connection: Connection, bucket: str, low: bytes, after: str | None, high: bytes | None, limit: int
) -> Sequence[Row[Any]]:
    """Uploads with low <= key < high by key and id; of `low` itself only those after the id `after`."""
    table = object_uploads
    query = select(table).where(table.c.bucket == bucket, table.c.key >= low)
    if after is not None:
        query = query.where(or_(table.c.key > low, table.c.id > after))
    if high is not None:
        query = query.where(table.c.key < high)
    return connection.execute(query.order_by(table.c.key, table.c.id).limit(limit)).all()
