"""The first process inside a sandbox: starts what works, passes on SIGTERM, and collects every process that ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from relook import processes
from relook.containers.embedded.host.statuses import NOT_LOADED, SERVER_GONE

_RESTARTS, _RESTART_SECONDS = 5, 60.0
"""A worker that ended is replaced so often in so many seconds; then the container ends."""


class Supervisor:
    """Runs `count` processes of `work`, which does not return. Used once, on the main thread."""

    def __init__(self, work: Callable[[], None], count: int = 1, restart: bool = False) -> None:
        self._work = work
        self._count = count
        self._restart = restart
        self._running: set[int] = set()
        self._restarts: list[float] = []
        self._stopping = False

    def run(self) -> int:
        """The exit status: of what ended, 128 + signal for what was killed, 0 for workers that were told to end."""
        signal.signal(signal.SIGTERM, self._on_stop)
        while len(self._running) < self._count and not self._stopping:
            self._start()
        status = 0
        while self._running:
            pid, code = os.wait()
            if pid in self._running:
                self._running.discard(pid)
                status = self._ended(os.waitstatus_to_exitcode(code)) or status
        return status

    def _start(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # none is lost between fork and bookkeeping
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            try:
                self._work()
            finally:
                os._exit(70)
        self._running.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _ended(self, code: int) -> int:
        status = code if code >= 0 else 128 - code
        if not self._restart:
            return status
        if self._stopping:
            return 0
        if code in (NOT_LOADED, SERVER_GONE) or not self._may_restart():
            self._stop()
            return 1
        print(f"relook: a worker {processes.describe_exit(code)}; another one is started", flush=True)
        self._start()
        return 0

    def _may_restart(self) -> bool:
        now = time.monotonic()
        self._restarts = [each for each in self._restarts if now - each < _RESTART_SECONDS] + [now]
        return len(self._restarts) <= _RESTARTS

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
