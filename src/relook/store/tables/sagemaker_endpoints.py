"""SageMaker: endpoints with what they run, and the asynchronous invocations that wait for one."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

# `current` and `pending` are deployments (core.deployments): what serves, and what an update wants instead.
endpoints = Table(
    "sagemaker_endpoints",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(63), nullable=False),
    Column("key", String(63), nullable=False),
    Column("status", String(24), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("modified", Milliseconds, nullable=False),
    Column("failure", Text),
    Column("current", JSON, nullable=False),
    Column("pending", JSON),
    UniqueConstraint("account", "region", "key"),
    Index("ix_sagemaker_endpoints_status", "status"),
    sqlite_autoincrement=True,
)

# Gone once the answer, or the failure, is an object.
async_invocations = Table(
    "sagemaker_async_invocations",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("endpoint_id", ForeignKey(endpoints.c.id, ondelete="CASCADE"), nullable=False),
    Column("inference_id", String(64), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("expires", Milliseconds, nullable=False),
    Column("timeout", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("content_type", Text),
    Column("accept", Text),
    Column("custom_attributes", Text),
    Column("input", Text),
    Column("body", LargeBinary),
    Column("output", Text, nullable=False),
    Column("failure", Text),
    Index("ix_sagemaker_async_invocations_endpoint", "endpoint_id", "id"),
    sqlite_autoincrement=True,
)
