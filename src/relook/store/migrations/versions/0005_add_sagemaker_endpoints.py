"""Add SageMaker's endpoints and asynchronous invocations"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sagemaker_endpoints",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("current", sa.JSON(), nullable=False),
        sa.Column("pending", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_endpoints")),
        sa.UniqueConstraint("account", "region", "key", name=op.f("uq_sagemaker_endpoints_account_region_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sagemaker_endpoints_status", "sagemaker_endpoints", ["status"])
    op.create_table(
        "sagemaker_async_invocations",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("endpoint_id", _SERIAL, nullable=False),
        sa.Column("inference_id", sa.String(length=64), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("timeout", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("accept", sa.Text(), nullable=True),
        sa.Column("custom_attributes", sa.Text(), nullable=True),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["sagemaker_endpoints.id"],
            name=op.f("fk_sagemaker_async_invocations_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_async_invocations")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sagemaker_async_invocations_endpoint", "sagemaker_async_invocations", ["endpoint_id", "id"])
