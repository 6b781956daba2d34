"""Rekognition Custom Labels: projects, their policies, datasets with entries, versions of models, and tags."""

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

# The `created` of projects, datasets and versions is part of their ARNs.
projects = Table(
    "rekognition_projects",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created", Milliseconds, nullable=False),
    UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)

policies = Table(
    "rekognition_policies",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("project_id", ForeignKey(projects.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("updated", Milliseconds, nullable=False),
    UniqueConstraint("project_id", "name"),
    sqlite_autoincrement=True,
)

# A deleted dataset has no project any more: it cannot be found, and a job takes its entries away.
datasets = Table(
    "rekognition_datasets",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("project_id", ForeignKey(projects.c.id)),
    Column("type", String(5), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("updated", Milliseconds, nullable=False),
    Column("status", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("code", String(20), nullable=False),
    Column("bucket", String(255)),
    UniqueConstraint("project_id", "type"),
    sqlite_autoincrement=True,
)

# `line` is what ListDatasetEntries shows; `errors` how many it holds.
entries = Table(
    "rekognition_entries",
    metadata,
    Column("position", Serial, primary_key=True),
    Column("dataset_id", ForeignKey(datasets.c.id, ondelete="CASCADE"), nullable=False),
    Column("source_ref", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("labelled", Boolean, nullable=False),
    Column("errors", Integer, nullable=False),
    UniqueConstraint("dataset_id", "source_ref"),
    Index("ix_rekognition_entries_page", "dataset_id", "position", "labelled", "errors"),  # to count without the lines
    sqlite_autoincrement=True,
)

# The labels that an entry declares, each once; `boxes` is 0 where it is one of the whole image.
labels = Table(
    "rekognition_labels",
    metadata,
    Column("dataset_id", ForeignKey(datasets.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("position", ForeignKey(entries.c.position, ondelete="CASCADE"), primary_key=True),
    Column("boxes", Integer, nullable=False),
    Index("ix_rekognition_labels_position", "position"),
    sqlite_with_rowid=False,
)

# The lines of an UpdateDatasetEntries until its job has ended: too large for a job's payload.
changes = Table(
    "rekognition_changes",
    metadata,
    Column("dataset_id", ForeignKey(datasets.c.id, ondelete="CASCADE"), primary_key=True),
    Column("lines", LargeBinary, nullable=False),
)

# `training_input` and `testing_input` are the given manifests, {"Bucket", "Name"[, "Version"]}; NULL where the
# project's datasets are used. `auto_split` tells whether the test images are taken from the training images. The keys
# name files in the output bucket; NULL while there is none. `artifact` is a folder name; NULL until it is trained.
versions = Table(
    "rekognition_versions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("project_id", ForeignKey(projects.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("description", Text),
    Column("status", String(24), nullable=False),
    Column("message", Text, nullable=False),
    Column("job_id", String(32)),
    Column("source_arn", Text),
    Column("output_bucket", String(255), nullable=False),
    Column("output_prefix", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("training_input", JSON(none_as_null=True)),
    Column("testing_input", JSON(none_as_null=True)),
    Column("auto_split", Boolean, nullable=False),
    Column("artifact_id", String(32), nullable=False),
    Column("artifact", String(80)),
    Column("task", String(20)),
    Column("thresholds", JSON(none_as_null=True)),
    Column("f1", Float),
    Column("training_ended", Milliseconds),
    Column("billable_seconds", Integer),
    Column("evaluation_key", Text),
    Column("summary_key", Text),
    Column("training_output_key", Text),
    Column("training_validation_key", Text),
    Column("testing_output_key", Text),
    Column("testing_validation_key", Text),
    Column("min_units", Integer),
    Column("max_units", Integer),
    UniqueConstraint("project_id", "name"),
    Index("ix_rekognition_versions_status", "status"),
    sqlite_autoincrement=True,
)

# The entries that a version is trained on, as they were when CreateProjectVersion was called; gone when it has ended.
# `line` is NULL until the entry is replaced, and what it was from then on.
training_entries = Table(
    "rekognition_training_entries",
    metadata,
    Column("version_id", ForeignKey(versions.c.id, ondelete="CASCADE"), primary_key=True),
    Column("entry", ForeignKey(entries.c.position), primary_key=True),
    Column("type", String(5), nullable=False),
    Column("line", Text),
    Index("ix_rekognition_training_entries_entry", "entry"),
    sqlite_with_rowid=False,
)

# Each belongs to one of the three.
tags = Table(
    "rekognition_tags",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("project_id", ForeignKey(projects.c.id, ondelete="CASCADE")),
    Column("dataset_id", ForeignKey(datasets.c.id, ondelete="CASCADE")),
    Column("version_id", ForeignKey(versions.c.id, ondelete="CASCADE")),
    Column("key", String(128), nullable=False),
    Column("value", String(256), nullable=False),
    UniqueConstraint("project_id", "key"),
    UniqueConstraint("dataset_id", "key"),
    UniqueConstraint("version_id", "key"),
)
