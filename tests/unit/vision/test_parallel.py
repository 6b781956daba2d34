"""Calls in threads, with what they work with lent to one at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from threading import Barrier, Event, Lock
from typing import cast

import pytest

from relook.vision.parallel import in_order, threads

WAIT = 30.0


def counting(seen: list[int], until: int) -> Iterator[int]:
    for at in range(until):
        seen.append(at)
        yield at


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("entries", [0, 1, 7])
def test_results_come_in_the_order_of_the_entries(workers: int, entries: int) -> None:
    found = in_order(lambda _, entry: entry**2, range(entries), range(workers))
    assert list(found) == [at**2 for at in range(entries)]


def test_a_slow_first_call_does_not_change_the_order() -> None:
    second = Event()

    def call(_: int, entry: int) -> int:
        if entry == 0:
            assert second.wait(WAIT)
        second.set()
        return entry

    assert list(in_order(call, range(4), range(2))) == [0, 1, 2, 3]


def test_as_many_calls_run_together_as_there_are_workers_and_none_shares_one() -> None:
    together, lock = Barrier(3), Lock()
    busy: set[str] = set()

    def call(worker: str, entry: int) -> str:
        with lock:
            assert worker not in busy
            busy.add(worker)
        together.wait(WAIT)  # breaks, and raises, unless three are here at the same time
        with lock:
            busy.remove(worker)
        return worker

    assert set(in_order(call, range(9), ["a", "b", "c"])) == {"a", "b", "c"}


def test_entries_are_taken_as_they_are_needed() -> None:
    seen: list[int] = []
    found = cast("Generator[int]", in_order(lambda _, entry: entry, counting(seen, 100), range(2)))
    assert next(found) == 0
    assert len(seen) == 4  # of which one was given, two may run and one may wait
    found.close()
    assert len(seen) == 4


def test_what_a_call_raises_is_raised_in_its_turn_and_ends_it() -> None:
    seen: list[int] = []

    def call(_: int, entry: int) -> int:
        if entry == 2:
            raise ValueError("the third one")
        return entry

    found = in_order(call, counting(seen, 100), range(2))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="the third one"):
        next(found)
    assert list(found) == []
    assert len(seen) == 6


def test_there_is_at_least_one_thread() -> None:
    assert 1 <= threads() <= 4
