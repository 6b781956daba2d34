"""The running job's line to its row: a thread that renews the lease and writes progress and log lines.

The job itself never waits for the disk when it reports, and may report from inside a transaction of its own.
"""

from __future__ import annotations

import logging
import os
import queue as wakeups
import threading
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from relook.core.clock import Clock
from relook.jobs import queue
from relook.jobs.api import JobCancelled
from relook.jobs.policy import Policy
from relook.store.engine import StorageFull, Store

_log = logging.getLogger(__name__)


class JobStopped(JobCancelled):
    """The worker is going down: leave the job as it is, it will start again."""


class Reporter:
    """Implements `jobs.api.JobContext`. `start` it before the job, `finish` it before the job's last transaction."""

    def __init__(self, store: Store, held: queue.Claim, policy: Policy, clock: Clock) -> None:
        self.job_id = held.job_id
        self.attempt = held.attempt
        self.lost = False
        self.cancelled = False
        self.stopping = False
        self._store = store
        self._held = held
        self._policy = policy
        self._clock = clock
        self._progress: queue.Progress | None = None
        self._written: queue.Progress | None = None
        self._lines: deque[tuple[int, str]] = deque()
        self._reported = time.monotonic()
        self._look_now = False
        self._finishing = False
        # A SimpleQueue and no Condition: signal handlers wake the thread too, and its `put` may interrupt anything.
        self._wake: wakeups.SimpleQueue[None] = wakeups.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Write the first beat, which holds the process id, and go on beating. Raises ClaimLost, and as the store."""
        self._write()
        self._thread.start()

    def finish(self) -> None:
        """Write what is still unwritten, and stop beating."""
        self._finishing = True
        self._rouse()
        self._thread.join()

    def progress(self, stage: str, done: int, total: int) -> None:
        """See `JobContext`. Raises JobCancelled, also when the claim was lost or the worker is going down."""
        self.check()
        self._reported = time.monotonic()
        self._progress = queue.Progress(stage, done, total)
        self._rouse()

    def log(self, message: str) -> None:
        """See `JobContext`."""
        self._reported = time.monotonic()
        self._lines.append((self._clock(), message))
        self._rouse()

    def check(self) -> None:
        """Raise if the job should not go on."""
        if self.stopping:
            raise JobStopped("the worker is stopping")
        if self.lost or self.cancelled:
            raise JobCancelled("cancelled")

    def stop(self) -> None:
        """Let the next report raise JobStopped. Safe in a signal handler."""
        self.stopping = True

    def look(self) -> None:
        """Look at the row now, not at the next beat. Safe in a signal handler."""
        self._look_now = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake.empty():
            self._wake.put(None)

    def _wait(self, until: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            try:
                self._wake.get(timeout=max(0.0, deadline - time.monotonic()))
            except wakeups.Empty:
                return

    def _run(self) -> None:
        while not self.lost:
            self._wait(self._due, self._policy.beat)
            finishing, self._look_now = self._finishing, False
            written = self._stalled() or self._try_write()
            if finishing:
                return
            if written:
                # So that a job that reports a thousand steps a second costs two writes a second.
                self._wait(self._urgent, self._policy.progress)
            else:
                self._wait(lambda: self._finishing, self._policy.storage_retry)

    def _due(self) -> bool:
        return self._urgent() or self._progress != self._written or bool(self._lines)

    def _urgent(self) -> bool:
        progress, written = self._progress, self._written
        new_stage = progress is not None and (written is None or written.stage != progress.stage)
        return self._finishing or self._look_now or new_stage

    def _stalled(self) -> bool:
        if self._due() or time.monotonic() - self._reported <= self._policy.stall:
            return False
        _log.error("job %s reported nothing for %g s: its lease may run out", self.job_id, self._policy.stall)
        return True

    def _try_write(self) -> bool:
        try:
            self._write()
        except queue.ClaimLost:
            self.lost = True
            return True
        except (StorageFull, OperationalError) as error:
            # Tried again soon; if the trouble outlasts the lease, the supervisor starts the job anew.
            _log.warning("job %s: could not write its progress: %s", self.job_id, error)
            return False
        return True

    def _write(self) -> None:
        progress, lines = self._progress, list(self._lines)
        now = self._clock()
        with self._store.write() as connection:
            cancelled = queue.beat(
                connection,
                self._held,
                pid=os.getpid(),
                lease_until=now + round(self._policy.lease * 1000),
                progress=progress,
            )
            for created, line in lines:
                queue.add_event(connection, self.job_id, self.attempt, created, line)
        self._written = progress
        for _ in lines:
            self._lines.popleft()
        self.cancelled = self.cancelled or cancelled
