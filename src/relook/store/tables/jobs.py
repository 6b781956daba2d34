"""Durable jobs and what happened to them."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from relook.store.tables.base import Milliseconds, Serial, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),  # the order of arrival, which is the order of work
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(100), nullable=False),
    Column("lane", String(100), nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("payload", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("available", Milliseconds, nullable=False),  # not to be started before
    Column("worker", String(32)),  # which supervisor runs it: fences off a child whose supervisor is gone
    Column("worker_pid", Integer),
    Column("pid", Integer),
    Column("lease_until", Milliseconds),
    Column("stage", Text, nullable=False, default=""),
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("created", Milliseconds, nullable=False),
    Column("started", Milliseconds),  # of the latest attempt
    Column("finished", Milliseconds),
    Index(None, "state", "lane", "number"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("message", Text, nullable=False),
)
