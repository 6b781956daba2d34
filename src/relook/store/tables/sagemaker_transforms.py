"""SageMaker: transform jobs, and while one runs, its input objects."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

transforms = Table(
    "sagemaker_transforms",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("key", String(63), nullable=False),  # the name in lower case, as in the ARN
    Column("name", String(63), nullable=False),
    Column("status", String(12), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("modified", Milliseconds, nullable=False),
    Column("started", Milliseconds),
    Column("ended", Milliseconds),
    Column("failure", Text),
    Column("request", JSON, nullable=False),  # the members of CreateTransformJob that Describe repeats
    Column("model", JSON, nullable=False),  # core.serving.ModelDefinition
    Column("job_id", String(32)),
    Column("listed", Boolean, nullable=False),  # whether its objects have been written down
    UniqueConstraint("account", "region", "key"),
    sqlite_autoincrement=True,
)

# The inputs as they were when the job began, and what became of each.
transform_objects = Table(
    "sagemaker_transform_objects",
    metadata,
    Column("transform_id", ForeignKey(transforms.c.id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("bucket", String(63), nullable=False),
    Column("key", Text, nullable=False),
    Column("version", String(64)),
    Column("output", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("reason", Text, nullable=False),
    Column("written", String(64)),  # the version id and ETag of the output
    Column("etag", String(80)),
)
