"""Lookout for Vision: projects, their datasets and models, and the memory of client tokens."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from relook.store.tables.base import Milliseconds, Serial, metadata

projects = Table(
    "lookoutvision_projects",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("next_version", Integer, nullable=False),
    UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)

datasets = Table(
    "lookoutvision_datasets",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("project_id", ForeignKey(projects.c.id), nullable=False),
    Column("type", String(5), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("updated", Milliseconds, nullable=False),
    Column("status", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("bucket", String(63)),
    UniqueConstraint("project_id", "type"),
    sqlite_autoincrement=True,
)

entries = Table(
    "lookoutvision_entries",
    metadata,
    Column("position", Serial, primary_key=True),
    Column("dataset_id", ForeignKey(datasets.c.id, ondelete="CASCADE"), nullable=False),
    Column("source_ref", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("label", String(7)),
    Column("dated", Milliseconds, nullable=False),
    UniqueConstraint("dataset_id", "source_ref"),
    Index("ix_lookoutvision_entries_page", "dataset_id", "position"),
    sqlite_autoincrement=True,
)

# The batch of an UpdateDatasetEntries until its job has ended: too large for a job's payload.
changes = Table(
    "lookoutvision_changes",
    metadata,
    Column("dataset_id", ForeignKey(datasets.c.id, ondelete="CASCADE"), primary_key=True),
    Column("lines", LargeBinary, nullable=False),
)

models = Table(
    "lookoutvision_models",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("project_id", ForeignKey(projects.c.id), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("description", Text),
    Column("status", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("job_id", String(64)),
    Column("output_bucket", String(63), nullable=False),
    Column("output_prefix", Text),
    Column("seed", Integer, nullable=False),
    Column("separate_test", Boolean, nullable=False),
    Column("artifact_id", String(32), nullable=False),
    Column("artifact", String(80)),
    Column("f1", Float),
    Column("recall", Float),
    Column("precision", Float),
    Column("evaluation_ended", Milliseconds),
    Column("manifest_key", Text),
    Column("result_key", Text),
    Column("min_units", Integer),
    Column("max_units", Integer),
    UniqueConstraint("project_id", "version"),
    Index("ix_lookoutvision_models_status", "status"),
    sqlite_autoincrement=True,
)

# What a model is trained on, as the datasets were when CreateModel was called; gone when the training has ended.
training_entries = Table(
    "lookoutvision_training_entries",
    metadata,
    Column("position", Serial, primary_key=True),
    Column("model_id", ForeignKey(models.c.id, ondelete="CASCADE"), nullable=False),
    Column("type", String(5), nullable=False),
    Column("line", Text, nullable=False),
    Index("ix_lookoutvision_training_entries_model", "model_id"),
)

tags = Table(
    "lookoutvision_tags",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model_id", ForeignKey(models.c.id, ondelete="CASCADE"), nullable=False),
    Column("key", String(128), nullable=False),
    Column("value", String(256), nullable=False),
    UniqueConstraint("model_id", "key"),
)

client_tokens = Table(
    "lookoutvision_client_tokens",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(32), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("token", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("result", JSON, nullable=False),
    Column("subject", Serial),
    Column("created", Milliseconds, nullable=False),
    Index("ix_lookoutvision_client_tokens_created", "created"),
)
