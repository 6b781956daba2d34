"""Several calls at a time, in threads: numpy and the runtimes compute outside the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from relook.control_groups import usable_cpus

W = TypeVar("W")
E = TypeVar("E")
R = TypeVar("R")


def threads() -> int:
    """How many calls at a time."""
    return max(1, min(4, usable_cpus()))


def in_order(function: Callable[[W, E], R], entries: Iterable[E], workers: Sequence[W]) -> Generator[R]:
    """`function(worker, entry)` of each of `entries`, in their order; each worker is lent to one call at a time.

    At most one more result waits than there are workers. What a call raises is raised in its turn. Calls that run then,
    or when the generator is closed, are waited for, and others not begun: whoever may stop early closes it. `entries`
    is read in the caller's thread, which is the place for what only one thread may do.
    """
    free: SimpleQueue[W] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def call(entry: E) -> R:
        worker = free.get()
        try:
            return function(worker, entry)
        finally:
            free.put(worker)

    begun: deque[Future[R]] = deque()
    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            for entry in entries:
                if len(begun) > len(workers):
                    yield begun.popleft().result()
                begun.append(pool.submit(call, entry))
            while begun:
                yield begun.popleft().result()
        finally:
            for each in begun:
                each.cancel()
