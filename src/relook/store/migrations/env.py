"""Run by Alembic: revisions apply to the connection that `store.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from relook.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the caller's transaction, begun and ended by the caller
)
context.run_migrations()
