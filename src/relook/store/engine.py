"""Rows: one SQLite file (WAL, full fsync), read and written in short transactions from any thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from relook.store.migrate import upgrade


class StorageFull(Exception):
    """The disk that holds the data folder is full: free space there; nothing that was acknowledged is lost."""

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


class DatabaseUnusable(Exception):
    """The database file cannot be opened; the message names it, what is wrong and the way out."""

    def __init__(self, path: Path, error: DatabaseError) -> None:
        super().__init__(
            f"{path}: the database cannot be used ({error.orig}): check who owns the file; if it is damaged, put back "
            "a copy of the whole data folder, or name another folder with --data"
        )


class Store:
    """A connection pool on one database, schema up to date."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open (or create, mode 0600) the SQLite file at `path` and bring its schema up to date.

        Raises DatabaseUnusable, StorageFull, migrate.SchemaTooNew, OSError.
        """
        path.touch(mode=0o600, exist_ok=True)
        # isolation_level None: the driver begins nothing by itself, so that _begin decides what a transaction is.
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "isolation_level": None})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        store = cls(engine)
        try:
            with store.write() as connection:
                upgrade(connection)
        except BaseException as error:
            store.close()
            if isinstance(error, DatabaseError):
                raise DatabaseUnusable(path, error) from error
            raise
        return store

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: every query inside sees the same state."""
        with self.engine.connect() as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The only writer until the block ends; committed and on disk when it ended without an exception.

        Raises StorageFull when SQLite had no room; nothing of the block is kept then.
        """
        try:
            with self.engine.connect().execution_options(relook_write=True) as connection, connection.begin():
                yield connection
        except OperationalError as error:
            if "disk is full" in str(error):
                raise StorageFull from error
            raise

    def close(self) -> None:
        self.engine.dispose()


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: two writers queue up instead of failing halfway with "database is locked".
    immediate = connection.get_execution_options().get("relook_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _configure(connection: Any, record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
