"""Application Auto Scaling: what is scaled, by which policies, and what was done."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

targets = Table(
    "autoscaling_targets",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("resource", String(256), nullable=False),  # endpoint/<name>/variant/<name>
    Column("unique_id", String(36), nullable=False),
    Column("least", Integer, nullable=False),
    Column("most", Integer, nullable=False),
    Column("role", String(2048)),
    Column("suspended", JSON, nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("scaled_out", Milliseconds),
    Column("scaled_in", Milliseconds),
    UniqueConstraint("account", "region", "resource"),
    sqlite_autoincrement=True,
)

policies = Table(
    "autoscaling_policies",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("target_id", ForeignKey(targets.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", String(256), nullable=False),
    Column("unique_id", String(36), nullable=False),
    Column("configuration", JSON, nullable=False),  # TargetTrackingScalingPolicyConfiguration as it was given
    Column("created", Milliseconds, nullable=False),
    UniqueConstraint("target_id", "name"),
    sqlite_autoincrement=True,
)

# They outlive their target, so they name the resource.
activities = Table(
    "autoscaling_activities",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("resource", String(256), nullable=False),
    Column("unique_id", String(36), nullable=False),
    Column("count", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("message", Text),
    Column("started", Milliseconds, nullable=False),
    Column("ended", Milliseconds),
    Index("ix_autoscaling_activities_resource", "account", "region", "resource"),
    sqlite_autoincrement=True,
)
