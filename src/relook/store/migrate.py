"""Schema versions, by Alembic; the revisions lie in `migrations/versions`.

SchemaTooNew    the data folder was written by a newer Relook
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0009"
"""The newest revision, so that a start on an up-to-date folder need not load Alembic; a test holds it true."""
MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaTooNew(Exception):
    """The data folder was last used by a newer Relook: use that one, or another data folder."""

    def __init__(self, revision: str) -> None:
        super().__init__(f"{self.__doc__} (its schema is {revision}, this Relook knows {HEAD})")


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision inside the caller's transaction. Raises SchemaTooNew."""
    current = revision(connection)
    if current == HEAD:
        return
    if current is not None and not list((MIGRATIONS / "versions").glob(f"{current}_*.py")):
        raise SchemaTooNew(current)
    from alembic import command

    command.upgrade(configuration(connection), "head")


def revision(connection: Connection) -> str | None:
    """The revision the schema is at; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
