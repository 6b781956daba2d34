"""Create the tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("versioning", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_buckets")),
    )
    op.create_index(op.f("ix_buckets_account"), "buckets", ["account"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("lane", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(length=32), nullable=True),
        sa.Column("worker_pid", sa.Integer(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
    )
    op.create_index(op.f("ix_jobs_state_lane_number"), "jobs", ["state", "lane", "number"], unique=False)
    op.create_index(op.f("ix_jobs_subject"), "jobs", ["subject"], unique=False)
    op.create_table(
        "lookoutvision_client_tokens",
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("subject", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account", "region", "operation", "resource", "token", name=op.f("pk_lookoutvision_client_tokens")
        ),
    )
    op.create_index("ix_lookoutvision_client_tokens_created", "lookoutvision_client_tokens", ["created"], unique=False)
    op.create_table(
        "lookoutvision_projects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("next_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lookoutvision_projects")),
        sa.UniqueConstraint("account", "region", "name", name=op.f("uq_lookoutvision_projects_account_region_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_job_events")),
    )
    op.create_index(op.f("ix_job_events_job_id"), "job_events", ["job_id"], unique=False)
    op.create_table(
        "lookoutvision_datasets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("type", sa.String(length=5), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["lookoutvision_projects.id"], name=op.f("fk_lookoutvision_datasets_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lookoutvision_datasets")),
        sa.UniqueConstraint("project_id", "type", name=op.f("uq_lookoutvision_datasets_project_id_type")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lookoutvision_models",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("output_bucket", sa.String(length=63), nullable=False),
        sa.Column("output_prefix", sa.Text(), nullable=True),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("separate_test", sa.Boolean(), nullable=False),
        sa.Column("artifact_id", sa.String(length=32), nullable=False),
        sa.Column("artifact", sa.String(length=80), nullable=True),
        sa.Column("f1", sa.Float(), nullable=True),
        sa.Column("recall", sa.Float(), nullable=True),
        sa.Column("precision", sa.Float(), nullable=True),
        sa.Column("evaluation_ended", sa.BigInteger(), nullable=True),
        sa.Column("manifest_key", sa.Text(), nullable=True),
        sa.Column("result_key", sa.Text(), nullable=True),
        sa.Column("min_units", sa.Integer(), nullable=True),
        sa.Column("max_units", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["lookoutvision_projects.id"], name=op.f("fk_lookoutvision_models_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lookoutvision_models")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_lookoutvision_models_project_id_version")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lookoutvision_models_status", "lookoutvision_models", ["status"], unique=False)
    op.create_table(
        "object_uploads",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("initiated", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("checksum_algorithm", sa.String(), nullable=False),
        sa.Column("checksum_type", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["bucket"], ["buckets.name"], name=op.f("fk_object_uploads_bucket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_object_uploads")),
    )
    op.create_index("ix_object_uploads_order", "object_uploads", ["bucket", "key", "id"], unique=False)
    op.create_table(
        "object_versions",
        sa.Column("serial", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("version_id", sa.String(), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("delete_marker", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("checksum_algorithm", sa.String(), nullable=False),
        sa.Column("checksum_value", sa.String(), nullable=False),
        sa.Column("checksum_type", sa.String(), nullable=False),
        sa.Column("upload_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["bucket"], ["buckets.name"], name=op.f("fk_object_versions_bucket")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_object_versions")),
        sa.UniqueConstraint("bucket", "key", "version_id", name=op.f("uq_object_versions_bucket_key_version_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_object_versions_latest",
        "object_versions",
        ["bucket", "key"],
        unique=True,
        sqlite_where=sa.text("latest = 1"),
        postgresql_where=sa.text("latest = 1"),
    )
    op.create_index("ix_object_versions_order", "object_versions", ["bucket", "key", "serial"], unique=False)
    op.create_index(op.f("ix_object_versions_upload_id"), "object_versions", ["upload_id"], unique=False)
    op.create_table(
        "lookoutvision_changes",
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lookoutvision_datasets.id"],
            name=op.f("fk_lookoutvision_changes_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_lookoutvision_changes")),
    )
    op.create_table(
        "lookoutvision_entries",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("label", sa.String(length=7), nullable=True),
        sa.Column("dated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lookoutvision_datasets.id"],
            name=op.f("fk_lookoutvision_entries_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_lookoutvision_entries")),
        sa.UniqueConstraint("dataset_id", "source_ref", name=op.f("uq_lookoutvision_entries_dataset_id_source_ref")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lookoutvision_entries_page", "lookoutvision_entries", ["dataset_id", "position"], unique=False)
    op.create_table(
        "lookoutvision_tags",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["lookoutvision_models.id"], name=op.f("fk_lookoutvision_tags_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lookoutvision_tags")),
        sa.UniqueConstraint("model_id", "key", name=op.f("uq_lookoutvision_tags_model_id_key")),
    )
    op.create_table(
        "lookoutvision_training_entries",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("type", sa.String(length=5), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["lookoutvision_models.id"],
            name=op.f("fk_lookoutvision_training_entries_model_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_lookoutvision_training_entries")),
    )
    op.create_index(
        "ix_lookoutvision_training_entries_model", "lookoutvision_training_entries", ["model_id"], unique=False
    )
    op.create_table(
        "object_parts",
        sa.Column("upload", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("checksum", sa.String(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload"], ["object_uploads.id"], name=op.f("fk_object_parts_upload"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload", "number", name=op.f("pk_object_parts")),
    )
    op.create_index(op.f("ix_object_parts_file"), "object_parts", ["file"], unique=False)
    op.create_table(
        "object_pieces",
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["object_versions.serial"], name=op.f("fk_object_pieces_version"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "number", name=op.f("pk_object_pieces")),
    )
    op.create_index(op.f("ix_object_pieces_file"), "object_pieces", ["file"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_object_pieces_file"), table_name="object_pieces")
    op.drop_table("object_pieces")
    op.drop_index(op.f("ix_object_parts_file"), table_name="object_parts")
    op.drop_table("object_parts")
    op.drop_index("ix_lookoutvision_training_entries_model", table_name="lookoutvision_training_entries")
    op.drop_table("lookoutvision_training_entries")
    op.drop_table("lookoutvision_tags")
    op.drop_index("ix_lookoutvision_entries_page", table_name="lookoutvision_entries")
    op.drop_table("lookoutvision_entries")
    op.drop_table("lookoutvision_changes")
    op.drop_index(op.f("ix_object_versions_upload_id"), table_name="object_versions")
    op.drop_index("ix_object_versions_order", table_name="object_versions")
    op.drop_index(
        "ix_object_versions_latest",
        table_name="object_versions",
        sqlite_where=sa.text("latest = 1"),
        postgresql_where=sa.text("latest = 1"),
    )
    op.drop_table("object_versions")
    op.drop_index("ix_object_uploads_order", table_name="object_uploads")
    op.drop_table("object_uploads")
    op.drop_index("ix_lookoutvision_models_status", table_name="lookoutvision_models")
    op.drop_table("lookoutvision_models")
    op.drop_table("lookoutvision_datasets")
    op.drop_index(op.f("ix_job_events_job_id"), table_name="job_events")
    op.drop_table("job_events")
    op.drop_table("lookoutvision_projects")
    op.drop_index("ix_lookoutvision_client_tokens_created", table_name="lookoutvision_client_tokens")
    op.drop_table("lookoutvision_client_tokens")
    op.drop_index(op.f("ix_jobs_subject"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_state_lane_number"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_buckets_account"), table_name="buckets")
    op.drop_table("buckets")
