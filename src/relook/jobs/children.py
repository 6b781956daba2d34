"""The worker's view of a job's process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence

from relook import processes
from relook.jobs.policy import DISK_FULL_REASON, Exit
from relook.jobs.queue import Job
from relook.jobs.settle import Ending, Fate


class Child:
    """A running job. `pidfd` becomes readable when its process has ended. OSError if the process cannot be started."""

    def __init__(self, job: Job, command: Sequence[str], lock: int, lease: float) -> None:
        self.job = job
        # A session of its own: Ctrl-C at a terminal is the worker's to handle, and what the job starts goes with it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(lock,), start_new_session=True
        )
        try:
            self.pidfd = os.pidfd_open(self._process.pid)
        except OSError:
            self._process.kill()
            self._process.wait()
            raise
        self._lease = lease
        self._lease_seen = job.lease_until
        self._why_killed = ""
        self._stopped = False
        self.check_at = time.monotonic() + lease
        self.kill_at: float | None = None

    @property
    def next_timer(self) -> float:
        return self.check_at if self.kill_at is None else min(self.check_at, self.kill_at)

    def told(self) -> bool:
        """Whether it was asked to end."""
        return self.kill_at is not None

    def stop(self, grace: float) -> None:
        """Ask it to leave its job to the next worker, within `grace` seconds."""
        self._stopped = True
        self._tell(signal.SIGTERM, grace)

    def cancel(self, grace: float) -> None:
        """Ask it to look at its row, which wants the job cancelled, within `grace` seconds."""
        self._tell(signal.SIGUSR1, grace)

    def _tell(self, number: signal.Signals, grace: float) -> None:
        self.kill_at = time.monotonic() + grace
        os.kill(self._process.pid, number)

    def check_lease(self, lease_until: int | None) -> None:
        """Kill it if it did not renew its lease since the last look, one lease ago.

        Compared with what was seen before, never with the time of day: a clock that jumps must not kill jobs.
        """
        if lease_until == self._lease_seen:
            self.kill(f"it hung: no sign of life for {self._lease:g} s")
        self._lease_seen = lease_until
        self.check_at = time.monotonic() + self._lease

    def kill(self, why: str) -> None:
        """End it and whatever it started; the first reason given stands."""
        self._why_killed = self._why_killed or why
        self.kill_at = None
        self.check_at = float("inf")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def reap(self) -> Ending:
        """Collect the ended process; how it went."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it left behind; its number is ours until the wait
        status = self._process.wait()
        os.close(self.pidfd)
        return Ending(self.job.claim, *self._explain(status))

    def _explain(self, status: int) -> tuple[Fate, str]:
        if status == Exit.DISK_FULL:
            return Fate.DISK_FULL, DISK_FULL_REASON
        if status == Exit.STOPPED or (self._stopped and (status == -signal.SIGTERM or self._why_killed)):
            return Fate.STOPPED, "the worker was stopped"
        if status == Exit.DATABASE:
            return Fate.CRASHED, "the database did not answer in time"
        if self._why_killed:
            return Fate.CRASHED, f"the job's process was killed because {self._why_killed}"
        return Fate.CRASHED, f"the job's process {processes.describe_exit(status)} before the job was done"
