"""The job worker: starts each job in a process of its own, and sees to what becomes of it."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy.exc import OperationalError

from relook.core.clock import Clock, system_clock
from relook.jobs import queue
from relook.jobs.api import JobKind
from relook.jobs.children import Child
from relook.jobs.lock import hold
from relook.jobs.policy import Policy
from relook.jobs.settle import Ending, Fate, Settler
from relook.jobs.states import JobState
from relook.store.engine import StorageFull, Store

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs the jobs of one data folder until it is told to stop.

    `lanes` says how many jobs of each lane run at once (one, in a lane it does not name). `child_command` gives the
    command that runs one job; it has to call `relook.jobs.child.run_job`. `lock` is the lock file that keeps a second
    worker away. `wake` is a descriptor: any byte read from it means "look at the queue", its end "the server is gone".
    SIGTERM and SIGINT mean the same as that end: no new job is started, running ones get `policy.grace` seconds to
    end, and what did not end by then runs again with the next worker.
    """

    def __init__(
        self,
        store: Store,
        kinds: Iterable[JobKind],
        *,
        lanes: Mapping[str, int],
        child_command: Callable[[str], Sequence[str]],
        lock: Path,
        wake: int = 0,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        clock: Clock = system_clock,
    ) -> None:
        self._store = store
        self._lanes = dict(lanes)
        self._child_command = child_command
        self._lock = lock
        self._wake = wake
        self._policy = policy
        self._clock = clock
        self._settler = Settler(store, {kind.name: kind for kind in kinds}, policy, clock)
        self._worker = uuid.uuid4().hex
        self._children: dict[int, Child] = {}  # by pidfd
        self._unsettled: deque[Ending] = deque()
        self._recovered = False
        self._stopping = False
        self._told_to_stop = False
        self._retry_at: float | None = None
        self._next_start: float | None = None

    def run(self) -> None:
        """Work until stopped; main thread only. Raises WorkerRunning if another worker has the data folder."""
        with hold(self._lock, self._policy.grace + 5) as lock, _Events(self._wake, self._stop) as events:
            _log.info("job worker %d is ready", os.getpid())
            while not self._over():
                self._step(lock, events)
                if not self._over():
                    self._wait(events)
        _log.info("job worker %d has stopped", os.getpid())

    def _stop(self) -> None:
        self._told_to_stop = True

    def _over(self) -> bool:
        # With a full disk at the end the rows stay RUNNING: the next worker recovers them.
        settled = not self._unsettled or self._retry_at is not None
        return self._stopping and not self._children and settled

    def _step(self, lock: int, events: _Events) -> None:
        """Everything that is due. Safe to repeat: what the database refuses stays due."""
        if self._told_to_stop and not self._stopping:
            self._begin_stop()
        self._kill_overdue()
        try:
            self._recover()
            self._settle()
            if not self._stopping:
                self._cancel()
                self._start(lock, events)
            self._check_leases()
            self._retry_at = None
        except (StorageFull, OperationalError) as error:
            _log.error("the job worker could not write, and tries again in %g s: %s", self._policy.storage_retry, error)
            self._retry_at = time.monotonic() + self._policy.storage_retry

    def _recover(self) -> None:
        if self._recovered:
            return
        with self._store.read() as connection:
            left = queue.running(connection)
        self._unsettled.extend(
            Ending(job.claim, Fate.CRASHED, "the job worker was killed while the job ran") for job in left
        )
        self._recovered = True

    def _settle(self) -> None:
        while self._unsettled:
            self._settler.settle(self._unsettled[0])
            self._unsettled.popleft()

    def _cancel(self) -> None:
        with self._store.read() as connection:
            wanted = queue.to_cancel(connection)
        mine = {child.job.claim: child for child in self._children.values()}
        for job in wanted:
            if job.state is JobState.QUEUED:
                self._settler.cancel_queued(job)
            elif job.claim in mine and not mine[job.claim].told():
                mine[job.claim].cancel(self._policy.grace)

    def _start(self, lock: int, events: _Events) -> None:
        self._next_start = None
        while True:
            full = self._full_lanes()
            with self._store.read() as connection:
                available = queue.next_start(connection, full_lanes=full)
            if available is None:
                return
            now = self._clock()
            if available > now:
                self._next_start = time.monotonic() + (available - now) / 1000
                return
            self._start_one(full, now, lock, events)

    def _start_one(self, full: Sequence[str], now: int, lock: int, events: _Events) -> None:
        with self._store.write() as connection:
            job = queue.claim(
                connection,
                worker=self._worker,
                worker_pid=os.getpid(),
                now=now,
                lease_until=now + round(self._policy.lease * 1000),
                full_lanes=full,
            )
        if job is None:
            return
        try:
            child = Child(job, self._child_command(job.id), lock, self._policy.lease)
        except OSError as error:
            self._unsettled.append(Ending(job.claim, Fate.CRASHED, f"its process could not be started: {error}"))
            return
        self._children[child.pidfd] = child
        events.watch(child.pidfd)

    def _full_lanes(self) -> list[str]:
        running = Counter(child.job.lane for child in self._children.values())
        return [lane for lane in {*running, *self._lanes} if running[lane] >= self._lanes.get(lane, 1)]

    def _check_leases(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.check_at <= now:
                with self._store.read() as connection:
                    job = queue.find(connection, child.job.id)
                child.check_lease(None if job is None else job.lease_until)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill(f"it did not end within {self._policy.grace:g} s when it was told to")

    def _begin_stop(self) -> None:
        self._stopping = True
        self._next_start = None
        for child in self._children.values():
            child.stop(self._policy.grace)

    def _wait(self, events: _Events) -> None:
        for pidfd in events.wait(self._timeout()):
            self._unsettled.append(self._children.pop(pidfd).reap())

    def _timeout(self) -> float:
        if self._unsettled and self._retry_at is None:
            return 0.0
        now = time.monotonic()
        unasked = self._policy.unasked_amid if self._children else self._policy.unasked
        timers = [now + unasked, self._next_start, self._retry_at]
        timers += [child.next_timer for child in self._children.values()]
        return max(0.0, min(timer for timer in timers if timer is not None) - now)


class _Events:
    """What the worker waits for, in one place: a byte from the server, a signal, the end of a child."""

    def __init__(self, wake: int, stop: Callable[[], None]) -> None:
        self._wake = wake
        self._stop = stop
        self._selector = selectors.PollSelector()  # epoll refuses /dev/null and files, which end at once

    def __enter__(self) -> _Events:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        self._before_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._selector.register(self._read, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.set_wakeup_fd(self._before_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._selector.close()
        os.close(self._read)
        os.close(self._write)

    def watch(self, pidfd: int) -> None:
        self._selector.register(pidfd, selectors.EVENT_READ)

    def wait(self, timeout: float) -> list[int]:
        """Wait for something, or `timeout` seconds; the pidfds of children that have ended."""
        ended = []
        for key, _ in self._selector.select(timeout):
            if key.fd == self._read:
                os.read(self._read, 4096)
            elif key.fd == self._wake:
                self._read_wake()
            else:
                self._selector.unregister(key.fd)
                ended.append(key.fd)
        return ended

    def _read_wake(self) -> None:
        if not os.read(self._wake, 4096):
            self._selector.unregister(self._wake)
            self._stop()

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop()
