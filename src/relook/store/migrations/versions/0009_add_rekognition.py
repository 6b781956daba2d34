"""Add Rekognition Custom Labels"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rekognition_projects",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rekognition_projects")),
        sa.UniqueConstraint("account", "region", "name", name=op.f("uq_rekognition_projects_account_region_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rekognition_datasets",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("project_id", SERIAL, nullable=True),
        sa.Column("type", sa.String(length=5), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("bucket", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["rekognition_projects.id"], name=op.f("fk_rekognition_datasets_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rekognition_datasets")),
        sa.UniqueConstraint("project_id", "type", name=op.f("uq_rekognition_datasets_project_id_type")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rekognition_policies",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("project_id", SERIAL, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["rekognition_projects.id"],
            name=op.f("fk_rekognition_policies_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rekognition_policies")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_rekognition_policies_project_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rekognition_versions",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("project_id", SERIAL, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("source_arn", sa.Text(), nullable=True),
        sa.Column("output_bucket", sa.String(length=255), nullable=False),
        sa.Column("output_prefix", sa.Text(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("training_input", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("testing_input", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("auto_split", sa.Boolean(), nullable=False),
        sa.Column("artifact_id", sa.String(length=32), nullable=False),
        sa.Column("artifact", sa.String(length=80), nullable=True),
        sa.Column("task", sa.String(length=20), nullable=True),
        sa.Column("thresholds", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("f1", sa.Float(), nullable=True),
        sa.Column("training_ended", sa.BigInteger(), nullable=True),
        sa.Column("billable_seconds", sa.Integer(), nullable=True),
        sa.Column("evaluation_key", sa.Text(), nullable=True),
        sa.Column("summary_key", sa.Text(), nullable=True),
        sa.Column("training_output_key", sa.Text(), nullable=True),
        sa.Column("training_validation_key", sa.Text(), nullable=True),
        sa.Column("testing_output_key", sa.Text(), nullable=True),
        sa.Column("testing_validation_key", sa.Text(), nullable=True),
        sa.Column("min_units", sa.Integer(), nullable=True),
        sa.Column("max_units", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["rekognition_projects.id"],
            name=op.f("fk_rekognition_versions_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rekognition_versions")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_rekognition_versions_project_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rekognition_versions_status", "rekognition_versions", ["status"], unique=False)
    op.create_table(
        "rekognition_changes",
        sa.Column("dataset_id", SERIAL, nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["rekognition_datasets.id"],
            name=op.f("fk_rekognition_changes_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_rekognition_changes")),
    )
    op.create_table(
        "rekognition_entries",
        sa.Column("position", SERIAL, nullable=False),
        sa.Column("dataset_id", SERIAL, nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("labelled", sa.Boolean(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["rekognition_datasets.id"],
            name=op.f("fk_rekognition_entries_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_rekognition_entries")),
        sa.UniqueConstraint("dataset_id", "source_ref", name=op.f("uq_rekognition_entries_dataset_id_source_ref")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_rekognition_entries_page",
        "rekognition_entries",
        ["dataset_id", "position", "labelled", "errors"],
        unique=False,
    )
    op.create_table(
        "rekognition_tags",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("project_id", SERIAL, nullable=True),
        sa.Column("dataset_id", SERIAL, nullable=True),
        sa.Column("version_id", SERIAL, nullable=True),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["rekognition_datasets.id"], name=op.f("fk_rekognition_tags_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["rekognition_projects.id"], name=op.f("fk_rekognition_tags_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["rekognition_versions.id"], name=op.f("fk_rekognition_tags_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rekognition_tags")),
        sa.UniqueConstraint("dataset_id", "key", name=op.f("uq_rekognition_tags_dataset_id_key")),
        sa.UniqueConstraint("project_id", "key", name=op.f("uq_rekognition_tags_project_id_key")),
        sa.UniqueConstraint("version_id", "key", name=op.f("uq_rekognition_tags_version_id_key")),
    )
    op.create_table(
        "rekognition_training_entries",
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("entry", SERIAL, nullable=False),
        sa.Column("type", sa.String(length=5), nullable=False),
        sa.Column("line", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry"], ["rekognition_entries.position"], name=op.f("fk_rekognition_training_entries_entry")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["rekognition_versions.id"],
            name=op.f("fk_rekognition_training_entries_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "entry", name=op.f("pk_rekognition_training_entries")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rekognition_training_entries_entry", "rekognition_training_entries", ["entry"], unique=False)
    op.create_table(
        "rekognition_labels",
        sa.Column("dataset_id", SERIAL, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("position", SERIAL, nullable=False),
        sa.Column("boxes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["rekognition_datasets.id"],
            name=op.f("fk_rekognition_labels_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["position"],
            ["rekognition_entries.position"],
            name=op.f("fk_rekognition_labels_position"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset_id", "name", "position", name=op.f("pk_rekognition_labels")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rekognition_labels_position", "rekognition_labels", ["position"], unique=False)
