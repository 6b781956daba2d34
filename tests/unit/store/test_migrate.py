from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from relook.store.engine import Store
from relook.store.migrate import HEAD, SchemaTooNew, configuration, revision
from relook.store.tables import metadata


@pytest.fixture
def store(tmp_path: Path):
    store = Store.open(tmp_path / "rows.sqlite3")
    yield store
    store.close()


def test_the_revisions_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_head_is_the_newest_revision(store: Store) -> None:
    with store.read() as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == HEAD
        assert revision(connection) == HEAD


def test_opening_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        connection.execute(text("INSERT INTO buckets VALUES ('b', '000000000000', 'us-east-1', 1, '')"))
    again = Store.open(tmp_path / "rows.sqlite3")
    with again.read() as connection:
        assert connection.execute(text("SELECT name FROM buckets")).scalars().all() == ["b"]
    again.close()


def test_a_failed_upgrade_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alembic.command.upgrade", _half_an_upgrade)
    with pytest.raises(RuntimeError, match="halfway"):
        Store.open(tmp_path / "rows.sqlite3")
    monkeypatch.undo()
    store = Store.open(tmp_path / "rows.sqlite3")
    with store.read() as connection:
        assert revision(connection) == HEAD
        assert connection.execute(text("SELECT count(*) FROM sqlite_master WHERE name = 'half'")).scalar() == 0
    store.close()


def _half_an_upgrade(config, target: str) -> None:
    config.attributes["connection"].execute(text("CREATE TABLE half (a INTEGER)"))
    raise RuntimeError("halfway")


def test_a_newer_schema_is_refused(store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="newer Relook"):
        Store.open(tmp_path / "rows.sqlite3")
