"""Add Application Auto Scaling"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "autoscaling_targets",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("resource", sa.String(length=256), nullable=False),
        sa.Column("unique_id", sa.String(length=36), nullable=False),
        sa.Column("least", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=2048), nullable=True),
        sa.Column("suspended", sa.JSON(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("scaled_out", sa.BigInteger(), nullable=True),
        sa.Column("scaled_in", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autoscaling_targets")),
        sa.UniqueConstraint(
            "account", "region", "resource", name=op.f("uq_autoscaling_targets_account_region_resource")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "autoscaling_policies",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("target_id", SERIAL, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("unique_id", sa.String(length=36), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["autoscaling_targets.id"],
            name=op.f("fk_autoscaling_policies_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autoscaling_policies")),
        sa.UniqueConstraint("target_id", "name", name=op.f("uq_autoscaling_policies_target_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "autoscaling_activities",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("resource", sa.String(length=256), nullable=False),
        sa.Column("unique_id", sa.String(length=36), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autoscaling_activities")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_autoscaling_activities_resource", "autoscaling_activities", ["account", "region", "resource"], unique=False
    )
