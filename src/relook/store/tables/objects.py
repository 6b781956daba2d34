"""Buckets, object versions, the files their bytes lie in, and multipart uploads under way.

Keys are bytes (UTF-8), so that every database orders them as S3 does: by byte, whatever its collation.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    true,
)

from relook.store.tables.base import Milliseconds, Serial, metadata

buckets = Table(
    "buckets",
    metadata,
    Column("name", String, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("region", String, nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("versioning", String, nullable=False, default=""),
)

object_versions = Table(
    "object_versions",
    metadata,
    # The order in which versions were made; never used twice, since version ids carry it.
    Column("serial", Serial, primary_key=True, autoincrement=True),
    Column("bucket", ForeignKey("buckets.name"), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("version_id", String, nullable=False),
    Column("latest", Boolean, nullable=False),
    Column("delete_marker", Boolean, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", String, nullable=False),
    Column("modified", Milliseconds, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("checksum_algorithm", String, nullable=False),
    Column("checksum_value", String, nullable=False),
    Column("checksum_type", String, nullable=False),
    # The multipart upload this version came from: a completion that is sent again finds its result here.
    Column("upload_id", String, nullable=True, index=True),
    UniqueConstraint("bucket", "key", "version_id"),
    Index(
        "ix_object_versions_latest",
        "bucket",
        "key",
        unique=True,
        sqlite_where=Column("latest", Boolean) == true(),
        postgresql_where=Column("latest", Boolean) == true(),
    ),
    Index("ix_object_versions_order", "bucket", "key", "serial"),
    sqlite_autoincrement=True,
)

object_pieces = Table(
    "object_pieces",
    metadata,
    Column("version", ForeignKey("object_versions.serial", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    # Copies share files, so one file may stand in several rows.
    Column("file", String, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("crc32", BigInteger, nullable=False),
)

object_uploads = Table(
    "object_uploads",
    metadata,
    Column("id", String, primary_key=True),
    Column("bucket", ForeignKey("buckets.name"), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("initiated", Milliseconds, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("checksum_algorithm", String, nullable=False),
    Column("checksum_type", String, nullable=False),
    Index("ix_object_uploads_order", "bucket", "key", "id"),
)

object_parts = Table(
    "object_parts",
    metadata,
    Column("upload", ForeignKey("object_uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("file", String, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("crc32", BigInteger, nullable=False),
    Column("etag", String, nullable=False),
    Column("checksum", String, nullable=False),
    Column("modified", Milliseconds, nullable=False),
)
