from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relook.core.names import Scope
from relook.store import logs
from relook.store.engine import Store
from relook.store.log_writer import LogWriter
from relook.store.logs import Position

SCOPE = Scope("111122223333", "eu-west-1")
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "relook.sqlite3")
    yield opened
    opened.close()


def texts(store: Store, stream: str = "job/algo-1-1") -> list[str]:
    with store.read() as connection:
        group = logs.find_group(connection, SCOPE, GROUP)
        assert group is not None
        found = logs.find_stream(connection, group.id, stream)
        assert found is not None
        return [event.text for event in logs.list_events(connection, [found.id], limit=10_000)]


def test_append_makes_group_and_stream_and_keeps_their_times(store: Store) -> None:
    with store.write() as connection:
        logs.append(connection, SCOPE, GROUP, "a", [(50, "späte"), (20, "early")], now=60)
        logs.append(connection, SCOPE, GROUP, "a", [(30, "middle")], now=70)
        logs.append(connection, SCOPE, GROUP, "empty", [], now=80)
    with store.read() as connection:
        group = logs.find_group(connection, SCOPE, GROUP)
        assert group is not None
        first, empty = logs.list_streams(connection, group.id, limit=10)
        assert (first.name, first.created, first.first_event, first.last_event, first.last_ingestion) == (
            "a", 60, 20, 50, 70,
        )  # fmt: skip
        assert first.stored_bytes == group.stored_bytes == 6 + 5 + 6 + 3 * logs.EVENT_OVERHEAD
        assert (empty.first_event, empty.last_event) == (None, None)
        events = logs.list_events(connection, [first.id], limit=10)
        assert [event.text for event in events] == ["early", "middle", "späte"]
        assert [event.ingested for event in events] == [60, 70, 60]


def test_events_page_both_ways_without_loss_where_times_are_equal(store: Store) -> None:
    with store.write() as connection:
        logs.append(connection, SCOPE, GROUP, "a", [(10, str(n)) for n in range(5)], now=10)
        logs.append(connection, SCOPE, GROUP, "b", [(10, "other")], now=10)
    with store.read() as connection:
        group = logs.find_group(connection, SCOPE, GROUP)
        assert group is not None
        a, b = (stream.id for stream in logs.list_streams(connection, group.id, limit=10))
        page = logs.list_events(connection, [a], limit=2)
        rest = logs.list_events(connection, [a], after=page[-1].position, limit=10)
        assert [event.text for event in page + rest] == ["0", "1", "2", "3", "4"]
        tail = logs.list_events(connection, [a], newest=True, limit=2)
        assert [event.text for event in tail] == ["3", "4"]
        ahead = logs.list_events(connection, [a], before=tail[0].position, newest=True, limit=2)
        assert [event.text for event in ahead] == ["1", "2"]
        assert [event.stream for event in logs.list_events(connection, [a, b], limit=10)] == ["a"] * 5 + ["b"]
        assert logs.list_events(connection, [a], start=11, limit=10) == []
        assert logs.list_events(connection, [a], end=10, limit=10) == []
        assert logs.list_events(connection, [a], after=Position(10, 2**40), limit=10) == []


def test_streams_by_prefix_name_and_last_event(store: Store) -> None:
    with store.write() as connection:
        for name, time in (("x/1", 30), ("x/2", 10), ("X/3", 20), ("y", 40)):
            logs.append(connection, SCOPE, GROUP, name, [(time, "-")], now=50)
        logs.ensure_stream(connection, logs.ensure_group(connection, SCOPE, GROUP, 0), "x%", 0)
    with store.read() as connection:
        group = logs.find_group(connection, SCOPE, GROUP)
        assert group is not None

        def names(**options: object) -> list[str]:
            return [one.name for one in logs.list_streams(connection, group.id, limit=10, **options)]  # type: ignore[arg-type]

        assert names(prefix="x/") == ["x/1", "x/2"]
        assert names(prefix="x%") == ["x%"]
        assert names(by_last_event=True) == ["x%", "x/2", "X/3", "x/1", "y"]
        assert names(by_last_event=True, descending=True, offset=1) == ["x/1", "X/3", "x/2", "x%"]
        assert names(descending=True)[:2] == ["y", "x/2"]


def test_groups_are_listed_for_one_account_and_region(store: Store) -> None:
    with store.write() as connection:
        for name in ("/aws/b", "/aws/a", "other"):
            logs.ensure_group(connection, SCOPE, name, 1)
        logs.ensure_group(connection, Scope("444455556666", "eu-west-1"), "/aws/c", 1)
    with store.read() as connection:
        listed = logs.list_groups(connection, SCOPE, prefix="/aws/", limit=10)
        assert [group.name for group in listed] == ["/aws/a", "/aws/b"]
        assert [one.name for one in logs.list_groups(connection, SCOPE, after="/aws/a", limit=1)] == ["/aws/b"]
        assert [one.name for one in logs.list_groups(connection, SCOPE, contains="the", limit=10)] == ["other"]


def test_deleting_a_group_takes_its_lines(store: Store) -> None:
    with store.write() as connection:
        logs.append(connection, SCOPE, GROUP, "a", [(0, "line")], now=0)
        logs.append(connection, SCOPE, "kept", "a", [(0, "line")], now=0)
        logs.delete_group(connection, logs.ensure_group(connection, SCOPE, GROUP, 0))
        assert logs.find_group(connection, SCOPE, GROUP) is None
        kept = logs.find_group(connection, SCOPE, "kept")
        assert kept is not None
        assert [one.name for one in logs.list_streams(connection, kept.id, limit=9)] == ["a"]


def test_retention_takes_the_old_lines_a_few_at_a_time(store: Store) -> None:
    day = logs.DAY
    with store.write() as connection:
        logs.append(connection, SCOPE, GROUP, "a", [(0, "oldest"), (1, "older, ä"), (2 * day, "new")], now=2 * day)
        logs.append(connection, SCOPE, GROUP, "b", [(3, "old")], now=3)
        logs.append(connection, SCOPE, "kept", "a", [(0, "old")], now=0)
        logs.set_retention(connection, logs.ensure_group(connection, SCOPE, GROUP, 0), 1)
        assert logs.expire(connection, 2 * day, most=1) == 1
    assert texts(store, "a") == ["older, ä", "new"]
    with store.write() as connection:
        assert logs.expire(connection, 2 * day) == 2
        assert logs.expire(connection, 2 * day) == 0
        group = logs.ensure_group(connection, SCOPE, GROUP, 0)
        some, none = logs.list_streams(connection, group, limit=9)
        assert (some.first_event, some.last_event, some.stored_bytes) == (2 * day, 2 * day, 3 + logs.EVENT_OVERHEAD)
        assert (none.first_event, none.last_event, none.stored_bytes) == (None, None, 0)
        kept = logs.find_group(connection, SCOPE, "kept")
        assert kept is not None
        assert kept.stored_bytes > 0


def test_a_writer_keeps_every_line_of_every_thread_in_order(store: Store) -> None:
    with LogWriter(store, interval=0.01) as writer:
        sinks = [writer.sink(SCOPE, GROUP, f"t{number}") for number in range(4)]

        def write(number: int) -> None:
            for line in range(500):
                sinks[number](f"{line}\n")

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(4):
        assert texts(store, f"t{number}") == [str(line) for line in range(500)]


def test_flush_makes_lines_visible_at_once_and_empty_lines_are_left_out(store: Store) -> None:
    with LogWriter(store, interval=3600) as writer:
        sink = writer.sink(SCOPE, GROUP, "job/algo-1-1")
        sink("one")
        sink("\n")
        assert writer.flush()
        assert texts(store) == ["one"]
        sink("two")
    assert texts(store) == ["one", "two"]


def test_a_line_over_the_limit_becomes_several_whole_in_sum(store: Store) -> None:
    line = "é" * 200_000 + "\udcff"
    with LogWriter(store) as writer:
        writer.sink(SCOPE, GROUP, "job/algo-1-1")(line)
    parts = texts(store)
    assert len(parts) == 2
    assert "".join(parts) == "é" * 200_000 + "?"
    assert all(len(part.encode()) + logs.EVENT_OVERHEAD <= logs.MAX_EVENT_BYTES for part in parts)


def test_what_finds_no_room_is_counted_and_what_the_database_refused_is_tried_again(store: Store) -> None:
    line = "x" * 74  # 100 bytes with what an event counts beside its text
    with LogWriter(store, interval=3600, most_bytes=250) as writer:
        sink = writer.sink(SCOPE, GROUP, "job/algo-1-1")
        for _ in range(5):
            sink(line)
        with store.engine.connect() as broken:  # the pool hands the same connection out again: every write fails
            broken.exec_driver_sql("PRAGMA query_only = 1")
        assert not writer.flush()
        with store.engine.connect() as mended:
            mended.exec_driver_sql("PRAGMA query_only = 0")
        sink("no room, still")
        assert writer.flush()
        sink("room again")
    *kept, dropped, last = texts(store)
    assert kept == [line, line]
    assert dropped.startswith("(4 lines dropped")
    assert last == "room again"
