"""A driver that runs every image as `batch_container.py`, a plain process: no engine, real HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from relook.containers.api import PORT, STOP_SECONDS, CannotRun, ContainerSpec, EngineFailed, LogSink

SCRIPT = Path(__file__).with_name("batch_container.py")


class ProcessContainer:
    def __init__(self, spec: ContainerSpec, log: LogSink) -> None:
        self.spec = spec
        self._process = subprocess.Popen(
            [sys.executable, "-S", str(SCRIPT), *spec.command],
            env={**spec.environment, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self._reader = threading.Thread(target=self._read, args=(log,))
        self._reader.start()

    @property
    def name(self) -> str:
        return self.spec.name

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout)

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return status if status >= 0 else 128 - status

    def stop(self, grace: float = STOP_SECONDS) -> int:
        self._process.kill()
        status = self.wait()
        self._reader.join()
        assert status is not None
        return status

    def _read(self, log: LogSink) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                log(line.decode().rstrip("\n"))


class ProcessDriver:
    """Keeps what it has started, and what it was told to reap."""

    def __init__(self) -> None:
        self.started: list[ProcessContainer] = []
        self.reaped: list[str] = []
        self.engine_is_broken = False

    def runs(self, image: str) -> bool:
        return True

    def labels(self, image: str) -> dict[str, str]:
        return {}

    def start(self, spec: ContainerSpec, log: LogSink) -> ProcessContainer:
        if spec.image == "nowhere":
            raise CannotRun("there is no image nowhere: pull it first")
        self.started.append(ProcessContainer(spec, log))
        return self.started[-1]

    def reap(self, prefix: str) -> None:
        self.reaped.append(prefix)
        if self.engine_is_broken:
            raise EngineFailed("the engine does not answer")

    def running(self) -> list[str]:
        return [each.name for each in self.started if each.wait(0) is None]
