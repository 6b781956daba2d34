"""Add SageMaker's transform jobs and their objects"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sagemaker_transforms",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("model", sa.JSON(), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_transforms")),
        sa.UniqueConstraint("account", "region", "key", name=op.f("uq_sagemaker_transforms_account_region_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sagemaker_transform_objects",
        sa.Column("transform_id", _SERIAL, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("written", sa.String(length=64), nullable=True),
        sa.Column("etag", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("transform_id", "position", name=op.f("pk_sagemaker_transform_objects")),
        sa.ForeignKeyConstraint(
            ["transform_id"],
            ["sagemaker_transforms.id"],
            name=op.f("fk_sagemaker_transform_objects_transform_id_sagemaker_transforms"),
            ondelete="CASCADE",
        ),
    )
