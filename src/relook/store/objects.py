"""Named queries on buckets and object versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, or_, select, true, update

from relook.store.tables.objects import buckets, object_parts, object_pieces, object_uploads, object_versions

_LATEST = object_versions.c.latest == true()
_IN_LIMIT = 500


def bucket(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(buckets).where(buckets.c.name == name)).one_or_none()


def buckets_of(connection: Connection, account: str) -> Sequence[Row[Any]]:
    return connection.execute(select(buckets).where(buckets.c.account == account).order_by(buckets.c.name)).all()


def insert_bucket(connection: Connection, *, name: str, account: str, region: str, created: int) -> None:
    connection.execute(insert(buckets).values(name=name, account=account, region=region, created=created))


def set_versioning(connection: Connection, name: str, versioning: str) -> None:
    connection.execute(update(buckets).where(buckets.c.name == name).values(versioning=versioning))


def bucket_in_use(connection: Connection, name: str) -> bool:
    """Whether any version or delete marker is left."""
    query = select(exists().where(object_versions.c.bucket == name))
    return bool(connection.execute(query).scalar_one())


def delete_bucket(connection: Connection, name: str) -> list[str]:
    """Delete an empty bucket and the uploads under way in it; returns the files of their parts."""
    uploads = select(object_uploads.c.id).where(object_uploads.c.bucket == name)
    files = connection.execute(select(object_parts.c.file).where(object_parts.c.upload.in_(uploads))).scalars().all()
    connection.execute(delete(object_uploads).where(object_uploads.c.bucket == name))
    connection.execute(delete(buckets).where(buckets.c.name == name))
    return list(files)


def latest(connection: Connection, bucket: str, key: bytes) -> Row[Any] | None:
    query = select(object_versions).where(object_versions.c.bucket == bucket, object_versions.c.key == key, _LATEST)
    return connection.execute(query).one_or_none()


def version(connection: Connection, bucket: str, key: bytes, version_id: str) -> Row[Any] | None:
    table = object_versions
    query = select(table).where(table.c.bucket == bucket, table.c.key == key, table.c.version_id == version_id)
    return connection.execute(query).one_or_none()


def version_of_upload(connection: Connection, bucket: str, key: bytes, upload_id: str) -> Row[Any] | None:
    table = object_versions
    query = select(table).where(table.c.bucket == bucket, table.c.key == key, table.c.upload_id == upload_id)
    return connection.execute(query).one_or_none()


def insert_version(connection: Connection, values: dict[str, Any]) -> int:
    """Insert a version as the latest one of its key; returns its serial."""
    table = object_versions
    connection.execute(
        update(table)
        .where(table.c.bucket == values["bucket"], table.c.key == values["key"], _LATEST)
        .values(latest=False)
    )
    serial: int = connection.execute(insert(table).values(latest=True, **values).returning(table.c.serial)).scalar_one()
    return serial


def rename_version(connection: Connection, serial: int, version_id: str) -> None:
    connection.execute(update(object_versions).where(object_versions.c.serial == serial).values(version_id=version_id))


def delete_version(connection: Connection, row: Row[Any]) -> list[str]:
    """Delete a version; the newest left becomes the latest. Returns its files that no row names any more."""
    files = [piece.file for piece in pieces(connection, row.serial)]
    connection.execute(delete(object_versions).where(object_versions.c.serial == row.serial))
    if row.latest:
        table = object_versions
        newest = select(func.max(table.c.serial)).where(table.c.bucket == row.bucket, table.c.key == row.key)
        connection.execute(update(table).where(table.c.serial == newest.scalar_subquery()).values(latest=True))
    return unnamed(connection, files)


def pieces(connection: Connection, serial: int) -> Sequence[Row[Any]]:
    query = select(object_pieces).where(object_pieces.c.version == serial).order_by(object_pieces.c.number)
    return connection.execute(query).all()


def insert_pieces(connection: Connection, serial: int, values: Iterable[tuple[str, int, int]]) -> None:
    """Pieces of a version in order: file, size, crc32."""
    rows = [
        {"version": serial, "number": number, "file": file, "size": size, "crc32": crc32}
        for number, (file, size, crc32) in enumerate(values)
    ]
    if rows:
        connection.execute(insert(object_pieces), rows)


def named(connection: Connection, files: Sequence[str]) -> set[str]:
    """Those of `files` that some piece or part still names."""
    found: set[str] = set()
    for start in range(0, len(files), _IN_LIMIT):
        batch = files[start : start + _IN_LIMIT]
        for table in (object_pieces, object_parts):
            found.update(connection.execute(select(table.c.file).where(table.c.file.in_(batch))).scalars())
    return found


def unnamed(connection: Connection, files: Sequence[str]) -> list[str]:
    """Those of `files` that no piece or part names, each once."""
    return sorted(set(files) - named(connection, files))


def page_of_objects(
    connection: Connection, bucket: str, low: bytes, high: bytes | None, limit: int
) -> Sequence[Row[Any]]:
    """Latest versions that are objects, low <= key < high, in key order."""
    table = object_versions
    query = select(table).where(table.c.bucket == bucket, _LATEST, table.c.key >= low)
    query = query.where(table.c.delete_marker.is_(False))
    if high is not None:
        query = query.where(table.c.key < high)
    return connection.execute(query.order_by(table.c.key).limit(limit)).all()


def page_of_versions(
    connection: Connection, bucket: str, low: bytes, below: int | None, high: bytes | None, limit: int
) -> Sequence[Row[Any]]:
    """All versions, low <= key < high, by key, newest first; of `low` itself only those older than serial `below`."""
    table = object_versions
    query = select(table).where(table.c.bucket == bucket, table.c.key >= low)
    if below is not None:
        query = query.where(or_(table.c.key > low, table.c.serial < below))
    if high is not None:
        query = query.where(table.c.key < high)
    return connection.execute(query.order_by(table.c.key, table.c.serial.desc()).limit(limit)).all()
