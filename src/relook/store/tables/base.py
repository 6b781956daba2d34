"""The one MetaData all tables share, and the column types they agree on."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Milliseconds = BigInteger
"""Times are whole milliseconds since the Unix epoch."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""An autoincrement key: SQLite only grants one to INTEGER."""
