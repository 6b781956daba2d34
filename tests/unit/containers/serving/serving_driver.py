"""A driver that runs every image as the same program, as a plain process: no engine, real HTTP."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import process_container
from relook.containers.api import PORT, ContainerSpec, LogSink

SCRIPT = Path(__file__).with_name("serving_container.py")


class ProcessContainer(process_container.ProcessContainer):
    """Its ports are files under `ports`."""

    def __init__(self, spec: ContainerSpec, ports: Path, log: LogSink) -> None:
        mounts = {mount.target: str(mount.source) for mount in spec.mounts}
        own = {"TEST_PORTS": str(ports), "TEST_MOUNTS": json.dumps(mounts)}
        super().__init__(spec, ["-S", str(SCRIPT)], own)
        self.ports = ports
        self.log_to(log)

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        file = self.ports / str(port)
        if not file.exists():
            return super().connect(port, timeout)
        return socket.create_connection(("127.0.0.1", int(file.read_text())), timeout)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)


class ProcessDriver:
    """Keeps what it has started, for the tests to look at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[ProcessContainer] = []

    def runs(self, image: str) -> bool:
        return True

    def start(self, spec: ContainerSpec, log: LogSink) -> ProcessContainer:
        process_container.require_image(spec)
        ports = self._folder / spec.name
        ports.mkdir()
        self.started.append(ProcessContainer(spec, ports, log))
        return self.started[-1]

    def reap(self, prefix: str) -> None:
        raise AssertionError("these containers never outlive the tests")

    def running(self) -> list[str]:
        return [each.name for each in self.started if each.process.poll() is None]
