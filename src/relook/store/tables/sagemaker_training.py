"""SageMaker: training jobs."""

from __future__ import annotations

from sqlalchemy import JSON, Column, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

# `definition` is what CreateTrainingJob was given, completed; `algorithm` what its algorithm's name stood for then.
training_jobs = Table(
    "sagemaker_training_jobs",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("key", String(63), nullable=False),  # the name in lower case, as in the ARN
    Column("name", String(63), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("modified", Milliseconds, nullable=False),
    Column("status", String(20), nullable=False),
    Column("stage", String(30), nullable=False),
    Column("stages", JSON, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("algorithm", JSON),
    Column("job_id", String(32)),
    Column("started", Milliseconds),
    Column("ended", Milliseconds),
    Column("failure", Text),
    Column("artifacts", Text),
    Column("metrics", JSON, nullable=False),
    UniqueConstraint("account", "region", "key"),
    sqlite_autoincrement=True,
)
