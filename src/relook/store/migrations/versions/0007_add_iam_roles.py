"""Add IAM's roles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "iam_roles",
        sa.Column("id", serial, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("unique_id", sa.String(length=32), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("session_seconds", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_iam_roles")),
        sa.UniqueConstraint("account", "key", name=op.f("uq_iam_roles_account_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "iam_role_policies",
        sa.Column("id", serial, nullable=False),
        sa.Column("role_id", serial, nullable=False),
        sa.Column("name", sa.String(length=2048), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["role_id"], ["iam_roles.id"], name=op.f("fk_iam_role_policies_role_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_iam_role_policies")),
        sa.UniqueConstraint("role_id", "name", name=op.f("uq_iam_role_policies_role_id_name")),
        sqlite_autoincrement=True,
    )
