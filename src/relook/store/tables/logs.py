"""CloudWatch Logs: groups, their streams, and the lines in them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

groups = Table(
    "log_groups",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(512), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("retention_days", Integer),
    UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)

streams = Table(
    "log_streams",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("group_id", ForeignKey(groups.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", String(512), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("first_event", Milliseconds),
    Column("last_event", Milliseconds),
    Column("last_ingestion", Milliseconds),
    Column("stored_bytes", BigInteger, nullable=False),
    UniqueConstraint("group_id", "name"),
    Index("ix_log_streams_recent", "group_id", "last_event"),
    sqlite_autoincrement=True,
)

events = Table(
    "log_events",
    metadata,
    Column("id", Serial, primary_key=True),  # the order of arrival, which decides between equal times
    Column("stream_id", ForeignKey(streams.c.id, ondelete="CASCADE"), nullable=False),
    Column("time", Milliseconds, nullable=False),
    Column("ingested", Milliseconds, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_log_events_order", "stream_id", "time", "id"),
    sqlite_autoincrement=True,
)
