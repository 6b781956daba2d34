"""The test's side of `worker_script`: a data folder, a worker on it, and the puppets that report for work."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from relook.core.clock import system_clock
from relook.jobs import queue
from relook.store.engine import Store

SCRIPT = Path(__file__).with_name("worker_script.py")
PATIENCE = 60.0
QUICK = {"retry_delay": 0.01, "disk_delay": 0.02, "storage_retry": 0.05, "progress": 0.01, "grace": 5}


@dataclass
class Puppet:
    """A running job, obeying."""

    connection: socket.socket
    job: str
    attempt: int
    pid: int
    name: str

    def send(self, line: str) -> None:
        self.connection.sendall(line.encode() + b"\n")

    def tell(self, line: str) -> Any:
        """Send a command and wait for it to be done."""
        self.send(line)
        return json.loads(self._lines.readline())

    def __post_init__(self) -> None:
        self._lines = self.connection.makefile("r")
        self._pidfd = os.pidfd_open(self.pid)

    def wait_for_end(self) -> None:
        """Until its process has ended."""
        ended, _, _ = select.select([self._pidfd], [], [], PATIENCE)
        assert ended, f"process {self.pid} is still there"

    def close(self) -> None:
        self._lines.close()
        self.connection.close()
        os.close(self._pidfd)


class Stage:
    def __init__(self, folder: Path, **policy: float) -> None:
        self.folder = folder
        (folder / "policy.json").write_text(json.dumps({**QUICK, **policy}))
        self.store = Store.open(folder / "relook.db")
        with self.store.write() as connection:
            connection.execute(text("CREATE TABLE outcomes (name TEXT, outcome TEXT)"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "stage"))
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self.puppets: list[Puppet] = []
        self.worker: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        return [sys.executable, str(SCRIPT), str(self.folder), "worker"]

    def start(self, stderr: int | None = None) -> subprocess.Popen[bytes]:
        self.worker = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stderr=stderr)
        return self.worker

    def wake(self) -> None:
        assert self.worker is not None
        assert self.worker.stdin is not None
        self.worker.stdin.write(b"\n")
        self.worker.stdin.flush()

    def stop(self) -> int:
        """End the worker as the server does, by closing its stdin."""
        assert self.worker is not None
        assert self.worker.stdin is not None
        self.worker.stdin.close()
        return self.worker.wait(PATIENCE)

    def kill(self) -> None:
        assert self.worker is not None
        self.worker.send_signal(signal.SIGKILL)
        self.worker.wait(PATIENCE)
        assert self.worker.stdin is not None
        self.worker.stdin.close()

    def enqueue(
        self, name: str, *, kind: str = "puppet", lane: str = "dataset", wake: bool = True, **payload: Any
    ) -> str:
        with self.store.write() as connection:
            job = queue.enqueue(
                connection, kind=kind, lane=lane, subject=name, payload={"name": name, **payload}, now=system_clock()
            )
        if wake and self.worker is not None:
            self.wake()
        return job

    def cancel(self, job: str) -> bool:
        with self.store.write() as connection:
            asked = queue.request_cancel(connection, job, system_clock())
        self.wake()
        return asked

    def accept(self) -> Puppet:
        """The next job that reports for work."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        with connection.makefile("r") as lines:
            puppet = Puppet(connection, **json.loads(lines.readline()))
        self.puppets.append(puppet)
        return puppet

    def find(self, job: str) -> queue.Job:
        with self.store.read() as connection:
            found = queue.find(connection, job)
        assert found is not None
        return found

    def history(self, job: str) -> list[str]:
        with self.store.read() as connection:
            return [event.message for event in queue.events(connection, job)]

    def outcomes(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(text("SELECT name, outcome FROM outcomes"))]

    def close(self) -> None:
        if self.worker is not None:
            if self.worker.poll() is None:
                self.worker.kill()
                self.worker.wait(PATIENCE)
            assert self.worker.stdin is not None
            self.worker.stdin.close()
        for puppet in self.puppets:
            puppet.close()
        self._listener.close()
        self.store.close()
