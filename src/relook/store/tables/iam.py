"""IAM: roles and the policies on them. An account's, in all regions."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

roles = Table(
    "iam_roles",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("key", String(64), nullable=False),  # the name in lower case: names that differ in case alone are one
    Column("name", String(64), nullable=False),
    Column("path", String(512), nullable=False),
    Column("unique_id", String(32), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("trust", Text, nullable=False),  # the policy as it was given
    Column("description", Text),
    Column("session_seconds", Integer, nullable=False),
    Column("tags", JSON, nullable=False),
    UniqueConstraint("account", "key"),
    sqlite_autoincrement=True,
)

# With a document it is a policy of the role's own, without one it is attached by its ARN.
role_policies = Table(
    "iam_role_policies",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("role_id", ForeignKey(roles.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", String(2048), nullable=False),
    Column("document", Text),
    UniqueConstraint("role_id", "name"),
    sqlite_autoincrement=True,
)
