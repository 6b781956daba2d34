"""A driver that runs every image as `batch_container.py`, a plain process: no engine, real HTTP."""

from __future__ import annotations

import socket
from pathlib import Path

import process_container
from relook.containers.api import PORT, STOP_SECONDS, ContainerSpec, EngineFailed, LogSink

SCRIPT = Path(__file__).with_name("batch_container.py")


class ProcessContainer(process_container.ProcessContainer):
    """Its first line is its port."""

    def __init__(self, spec: ContainerSpec, log: LogSink) -> None:
        super().__init__(spec, ["-S", str(SCRIPT)], {})
        self._port = int(self.first_line())
        self.log_to(log)

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout)

    def stop(self, grace: float = STOP_SECONDS) -> int:
        self.process.kill()
        return super().stop(grace)


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
        process_container.require_image(spec)
        self.started.append(ProcessContainer(spec, log))
        return self.started[-1]

    def reap(self, prefix: str) -> None:
        self.reaped.append(prefix)
        if self.engine_is_broken:
            raise EngineFailed("the engine does not answer")

    def running(self) -> list[str]:
        return [each.name for each in self.started if each.process.poll() is None]
