"""Rows of the store as records, and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from relook.blobs.errors import BucketForeign, BucketMissing
from relook.blobs.records import Attributes, Bucket, Checksum, ChecksumType, Part, Piece, Upload, Version, Versioning
from relook.store import objects as queries


def owned_bucket(connection: Connection, account: str, name: str) -> Bucket:
    """The bucket; BucketMissing or BucketForeign where `account` has none of this name."""
    row = queries.bucket(connection, name)
    if row is None:
        raise BucketMissing(name)
    if row.account != account:
        raise BucketForeign(name)
    return to_bucket(row)


def to_bucket(row: Row[Any]) -> Bucket:
    return Bucket(row.name, row.account, row.region, row.created, Versioning(row.versioning))


def to_version(row: Row[Any]) -> Version:
    return Version(
        serial=row.serial,
        bucket=row.bucket,
        key=row.key.decode(),
        id=row.version_id,
        latest=row.latest,
        delete_marker=row.delete_marker,
        size=row.size,
        etag=row.etag,
        modified=row.modified,
        attributes=to_attributes(row.attributes),
        checksum=Checksum(row.checksum_algorithm, row.checksum_value, ChecksumType(row.checksum_type)),
    )


def to_piece(row: Row[Any]) -> Piece:
    return Piece(row.file, row.size, row.crc32)


def to_upload(row: Row[Any]) -> Upload:
    return Upload(
        id=row.id,
        bucket=row.bucket,
        key=row.key.decode(),
        initiated=row.initiated,
        attributes=to_attributes(row.attributes),
        checksum_algorithm=row.checksum_algorithm,
        checksum_type=ChecksumType(row.checksum_type),
    )


def to_part(row: Row[Any]) -> Part:
    return Part(row.number, row.file, row.size, row.crc32, row.etag, row.checksum, row.modified)


def from_attributes(attributes: Attributes) -> dict[str, Any]:
    return {"headers": dict(attributes.headers), "metadata": dict(attributes.metadata)}


def to_attributes(value: dict[str, Any]) -> Attributes:
    return Attributes(value["headers"], value["metadata"])
