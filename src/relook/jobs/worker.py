"""The server's side of the job worker: starts its process, wakes it, replaces it when it dies."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Sequence

from relook import processes

_log = logging.getLogger(__name__)
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0
_STEADY = 5.0
"""A worker that lived so many seconds was no failed start: the next one comes at once."""


class Worker:
    """One job worker process, kept running by a thread. `command` has to run a `Supervisor` that wakes by its stdin."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="job-worker", daemon=True)

    @property
    def pid(self) -> int | None:
        """The worker's process id, for the curious; None while it is being replaced."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and the thread that keeps it. Returns at once."""
        self._thread.start()

    def wake(self) -> None:
        """Have it look at the queue; call after the transaction with `enqueue` has committed. Any thread; no wait."""
        with self._lock:
            if self._process is None or self._process.stdin is None:
                return  # a worker that starts looks at the queue anyway
            # A full pipe means that it will wake up, a broken one that its successor will.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._process.stdin.fileno(), b"\n")

    def close(self, patience: float = 20.0) -> None:
        """End it in good order, killing it after `patience` seconds. Blocks."""
        self._closing.set()
        with self._lock:
            process, self._process = self._process, None
            if process is not None and process.stdin is not None:
                process.stdin.close()
        self._thread.join(patience)
        if self._thread.is_alive() and process is not None:
            _log.error("the job worker did not end within %g s, and is killed", patience)
            process.kill()
            self._thread.join()

    def _keep(self) -> None:
        delay = _FIRST_DELAY
        while not self._closing.is_set():
            began = time.monotonic()
            why = self._run_once()
            if self._closing.is_set():
                return
            delay = _FIRST_DELAY if time.monotonic() - began > _STEADY else min(delay * 2, _LONGEST_DELAY)
            _log.error("the job worker %s; a new one starts in %.1f s", why, delay)
            self._closing.wait(delay)

    def _run_once(self) -> str:
        with self._lock:
            if self._closing.is_set():
                return "was not wanted any more"
            try:
                process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=2, bufsize=0, start_new_session=True
                )  # a session of its own: Ctrl-C is for the server, which ends it in good order
            except OSError as error:
                return f"could not be started: {error}"
            assert process.stdin is not None
            os.set_blocking(process.stdin.fileno(), False)
            self._process = process
        status = process.wait()
        with self._lock:
            self._process = None
        process.stdin.close()
        return processes.describe_exit(status)
