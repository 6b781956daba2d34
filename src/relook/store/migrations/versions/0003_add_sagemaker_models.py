"""Add SageMaker's models, endpoint configurations, algorithms, model packages and tags"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _named() -> list[sa.Column[object]]:
    return [
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "sagemaker_documents",
        *_named(),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_documents")),
        sa.UniqueConstraint(
            "account", "region", "kind", "key", name=op.f("uq_sagemaker_documents_account_region_kind_key")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_sagemaker_documents_order", "sagemaker_documents", ["account", "region", "kind", "created", "id"]
    )
    op.create_table(
        "sagemaker_package_groups",
        *_named(),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("next_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_package_groups")),
        sa.UniqueConstraint("account", "region", "key", name=op.f("uq_sagemaker_package_groups_account_region_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sagemaker_packages",
        *_named(),
        sa.Column("group_id", _SERIAL, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("approval", sa.String(length=30), nullable=True),
        sa.Column("token", sa.String(length=36), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_packages")),
        sa.ForeignKeyConstraint(
            ["group_id"], ["sagemaker_package_groups.id"], name=op.f("fk_sagemaker_packages_group_id")
        ),
        sa.UniqueConstraint(
            "account", "region", "key", "version", name=op.f("uq_sagemaker_packages_account_region_key_version")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sagemaker_packages_token", "sagemaker_packages", ["account", "region", "token"])
    op.create_index("ix_sagemaker_packages_group", "sagemaker_packages", ["group_id"])
    op.create_table(
        "sagemaker_tags",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("arn", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sagemaker_tags")),
        sa.UniqueConstraint("arn", "key", name=op.f("uq_sagemaker_tags_arn_key")),
    )
