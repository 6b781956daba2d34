"""SageMaker: what is described once and used later, model packages in their groups, and the tags of everything."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from relook.store.tables.base import Milliseconds, Serial, metadata

# Models, endpoint configurations and algorithms: a name and a description that never changes.
documents = Table(
    "sagemaker_documents",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("key", String(63), nullable=False),  # the name in lower case, as in the ARN
    Column("name", String(63), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("content", JSON, nullable=False),
    UniqueConstraint("account", "region", "kind", "key"),
    Index("ix_sagemaker_documents_order", "account", "region", "kind", "created", "id"),
    sqlite_autoincrement=True,
)

package_groups = Table(
    "sagemaker_package_groups",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("key", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("created", Milliseconds, nullable=False),
    Column("description", Text),
    Column("next_version", Integer, nullable=False),
    UniqueConstraint("account", "region", "key"),
    sqlite_autoincrement=True,
)

packages = Table(
    "sagemaker_packages",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("key", String(63), nullable=False),
    Column("name", String(63), nullable=False),  # its own, or its group's
    Column("group_id", ForeignKey(package_groups.c.id)),
    Column("version", Integer, nullable=False),  # 0 for one without a group
    Column("created", Milliseconds, nullable=False),
    Column("modified", Milliseconds, nullable=False),
    Column("approval", String(30)),
    Column("token", String(36)),  # of the call that made it
    Column("digest", String(64), nullable=False),
    Column("content", JSON, nullable=False),
    UniqueConstraint("account", "region", "key", "version"),
    Index("ix_sagemaker_packages_token", "account", "region", "token"),
    Index("ix_sagemaker_packages_group", "group_id"),
    sqlite_autoincrement=True,
)

tags = Table(
    "sagemaker_tags",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("arn", String(256), nullable=False),
    Column("key", String(128), nullable=False),
    Column("value", String(256), nullable=False),
    UniqueConstraint("arn", "key"),
)
