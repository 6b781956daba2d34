from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from relook.store.engine import StorageFull, Store


@pytest.fixture
def store(tmp_path: Path):
    store = Store.open(tmp_path / "rows.sqlite3")
    with store.write() as connection:
        connection.execute(text("CREATE TABLE counts (name TEXT PRIMARY KEY, count INTEGER)"))
        connection.execute(text("INSERT INTO counts VALUES ('a', 0)"))
    yield store
    store.close()


def count(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(text("SELECT count FROM counts")).scalar_one()


def test_only_its_owner_may_read_the_file(store: Store, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "rows.sqlite3").stat().st_mode) == 0o600


def test_commits_are_flushed_and_logged_ahead(store: Store) -> None:
    with store.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_an_exception_keeps_nothing_of_the_block(store: Store) -> None:
    def change_and_fail() -> None:
        with store.write() as connection:
            connection.execute(text("UPDATE counts SET count = 7"))
            raise ValueError("never mind")

    with pytest.raises(ValueError, match="never mind"):
        change_and_fail()
    assert count(store) == 0


def test_a_read_sees_one_state(store: Store) -> None:
    with store.read() as connection:
        before = connection.execute(text("SELECT count FROM counts")).scalar_one()
        with store.write() as writer:
            writer.execute(text("UPDATE counts SET count = 5"))
        assert connection.execute(text("SELECT count FROM counts")).scalar_one() == before
    assert count(store) == 5


def test_writers_queue_up(store: Store) -> None:
    def add() -> None:
        for _ in range(20):
            with store.write() as connection:
                now = connection.execute(text("SELECT count FROM counts")).scalar_one()
                connection.execute(text("UPDATE counts SET count = :next"), {"next": now + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(store) == 80


def test_a_full_disk_has_a_name(store: Store) -> None:
    with store.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    def write_too_much() -> None:
        with store.write() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            connection.execute(text("UPDATE counts SET name = :long"), {"long": "x" * 1_000_000})

    with pytest.raises(StorageFull, match="free space"):
        write_too_much()
    assert count(store) == 0
