"""Schema versions, by Alembic; the revisions lie in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Connection

from relook.store.tables import metadata


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision inside the caller's transaction."""
    metadata.create_all(connection)
