"""A driver that runs every image as the same program, as a plain process: no engine, real HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from relook.containers.api import PORT, STOP_SECONDS, CannotRun, ContainerSpec, LogSink

SCRIPT = Path(__file__).with_name("serving_container.py")


class ProcessContainer:
    """A process, its ports as files under `ports`."""

    def __init__(self, spec: ContainerSpec, ports: Path, log: LogSink) -> None:
        self.spec = spec
        self.ports = ports
        mounts = {mount.target: str(mount.source) for mount in spec.mounts}
        own = {"TEST_PORTS": str(ports), "TEST_MOUNTS": json.dumps(mounts), "PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            [sys.executable, "-S", str(SCRIPT), *spec.command],
            env={**spec.environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, args=(log,))
        self._reader.start()

    @property
    def name(self) -> str:
        return self.spec.name

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        file = self.ports / str(port)
        if not file.exists():
            raise ConnectionRefusedError(f"nobody listens on port {port}")
        return socket.create_connection(("127.0.0.1", int(file.read_text())), timeout)

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return status if status >= 0 else 128 - status

    def stop(self, grace: float = STOP_SECONDS) -> int:
        self.process.terminate()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
        status = self.wait()
        self._reader.join()
        assert status is not None
        return status

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def _read(self, log: LogSink) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                log(line.decode().rstrip("\n"))


class ProcessDriver:
    """Keeps what it has started, for the tests to look at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[ProcessContainer] = []

    def runs(self, image: str) -> bool:
        return True

    def start(self, spec: ContainerSpec, log: LogSink) -> ProcessContainer:
        if spec.image == "nowhere":
            raise CannotRun("there is no image nowhere: pull it first")
        ports = self._folder / spec.name
        ports.mkdir()
        self.started.append(ProcessContainer(spec, ports, log))
        return self.started[-1]

    def reap(self, prefix: str) -> None:
        raise AssertionError("these containers never outlive the tests")

    def running(self) -> list[str]:
        return [each.name for each in self.started if each.process.poll() is None]
