"""One sandbox that was started: its output, its end, and the way in."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

from relook.containers.api import PORT, STOP_SECONDS, EngineFailed, LogSink
from relook.containers.embedded.launch import Started
from relook.containers.lines import Lines

_KILL_SECONDS = 30.0
"""For an end after SIGKILL: a process that writes to a slow disk cannot be killed at once."""
_PIECE = 64 * 1024
_HEARING_SECONDS = 0.02
_logger = logging.getLogger(__name__)


class EmbeddedContainer:
    """See `api.Container`. A thread reads the output and clears everything away when the process has ended."""

    def __init__(self, name: str, port: int, started: Started, log: LogSink) -> None:
        self._name = name
        self._port = port
        self._started = started
        self._log = log
        self._ended = threading.Event()
        self._status = 0
        self._guard = threading.Lock()
        """Held while the descriptors that `_clear` closes are used."""
        threading.Thread(target=self._watch, name=f"watch {name}", daemon=True).start()

    @property
    def name(self) -> str:
        return self._name

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        """See `api.Container`. One end of a socket pair; the other one is handed to our host inside, which is the only
        one that can be reached, at SAGEMAKER_BIND_TO_PORT. It may still be loading the model, and answers then.
        """
        if port != self._port:
            raise ConnectionRefusedError(f"nothing listens at port {port} of {self._name}, only at {self._port}")
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._guard:
                if self._ended.is_set():
                    raise ConnectionRefusedError(f"{self._name} has ended")
                self._started.control.settimeout(timeout)
                socket.send_fds(self._started.control, [b"c"], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        return ours

    def wait(self, timeout: float | None = None) -> int | None:
        """See `api.Container`."""
        return self._status if self._ended.wait(timeout) else None

    def stop(self, grace: float = STOP_SECONDS) -> int:
        """See `api.Container`. EngineFailed where the process cannot be killed."""
        until = time.monotonic() + grace
        while time.monotonic() < until and not self._hears() and not self._ended.wait(_HEARING_SECONDS):
            pass
        grace = max(0.0, until - time.monotonic())
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
            self._signal(number)
            if self._ended.wait(seconds):
                return self._status
        raise EngineFailed(f"{self._name} was killed but has not ended")

    def _hears(self) -> bool:
        """Whether the first process inside handles SIGTERM by now: until then the kernel keeps it from hearing any."""
        try:
            pid = _field(Path(f"/proc/self/fdinfo/{self._started.init}"), "Pid:")
            handled = int(_field(Path(f"/proc/{pid}/status"), "SigCgt:"), 16)
        except (OSError, ValueError):
            return True  # it has ended
        return bool(handled >> (signal.SIGTERM - 1) & 1)

    def _signal(self, number: signal.Signals) -> None:
        """To the first process inside, with which all others end when it is killed."""
        with self._guard:
            if self._ended.is_set():
                return
            try:
                signal.pidfd_send_signal(self._started.init, number)
            except ProcessLookupError:  # it has just ended
                return

    def _watch(self) -> None:
        process = self._started.process
        try:
            self._read()
        except Exception:
            _logger.exception("%s: its output cannot be read any more; it is ended", self._name)
            self._signal(signal.SIGKILL)
        status = process.wait()
        self._status = status if status >= 0 else 128 - status
        self._clear()

    def _read(self) -> None:
        assert self._started.process.stdout is not None
        lines = Lines(self._log)
        with self._started.process.stdout as output:
            while piece := os.read(output.fileno(), _PIECE):
                lines.feed(piece)
        lines.close()

    def _clear(self) -> None:
        try:
            self._started.group.remove()
        except OSError as error:
            _logger.warning("%s: its control group stays behind until the next start: %s", self._name, error)
        with self._guard:
            self._ended.set()
            self._started.control.close()
            os.close(self._started.init)


def _field(file: Path, name: str) -> str:
    """The value on the line that begins so. OSError; ValueError where there is none."""
    for line in file.read_text("ascii", "replace").splitlines():
        if line.startswith(name):
            return line.removeprefix(name).strip()
    raise ValueError(f"{file} has no line {name}")
