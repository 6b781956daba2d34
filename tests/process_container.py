"""What runs as a container in tests of parts above a driver: a plain process, no engine, no sandbox."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping

from relook.containers.api import PORT, STOP_SECONDS, CannotRun, ContainerSpec, LogSink


class ProcessContainer:
    """Python with the arguments `python`, then the spec's command, in the spec's environment and `more`."""

    def __init__(self, spec: ContainerSpec, python: list[str], more: Mapping[str, str]) -> None:
        self.spec = spec
        self.process = subprocess.Popen(
            [sys.executable, *python, *spec.command],
            env={**spec.environment, **more, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader: threading.Thread | None = None

    def first_line(self) -> str:
        """Before anything is logged."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def log_to(self, log: LogSink) -> None:
        """Every further line, without its end."""
        self._reader = threading.Thread(target=self._read, args=(log,))
        self._reader.start()

    @property
    def name(self) -> str:
        return self.spec.name

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        raise ConnectionRefusedError(f"nobody listens on port {port}")

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._reader is not None:
            self._reader.join()
        return status if status >= 0 else 128 - status

    def stop(self, grace: float = STOP_SECONDS) -> int:
        self.process.terminate()
        status = self.wait(grace)
        if status is None:
            self.process.kill()
            status = self.wait()
        assert status is not None
        return status

    def _read(self, log: LogSink) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                log(line.decode().rstrip("\n"))


def require_image(spec: ContainerSpec) -> None:
    """CannotRun for the one image that no test driver has."""
    if spec.image == "nowhere":
        raise CannotRun("there is no image nowhere: pull it first")
