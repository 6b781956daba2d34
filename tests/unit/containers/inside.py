"""To talk to the program of `container_image` from a test."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from typing import Any

from container_image import IMAGE
from relook.containers.api import PORT, Container, ContainerSpec, Limits

SECONDS = 30.0


class Log:
    """A sink that tests can wait on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, start: str) -> str:
        """The first line that starts so."""
        deadline = time.monotonic() + SECONDS
        with self._changed:
            while not (found := [line for line in self.lines if line.startswith(start)]):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no line starts with {start!r}: {self.lines}")
        return found[0]


def serving(name: str = "", **options: Any) -> ContainerSpec:
    return ContainerSpec(name or fresh(), IMAGE, ("serve",), **options)


def running(code: str, name: str = "", **options: Any) -> ContainerSpec:
    """A container that runs `code` and ends."""
    return ContainerSpec(name or fresh(), IMAGE, ("run", code), **options)


def fresh(prefix: str = "relook-test-") -> str:
    return prefix + uuid.uuid4().hex[:12]


def limited(**limits: Any) -> dict[str, Limits]:
    return {"limits": Limits(**limits)}


def ask(container: Container, method: str, path: str, body: str = "", port: int = PORT) -> tuple[int, str]:
    connection = http.client.HTTPConnection("inside", timeout=SECONDS)
    connection.sock = container.connect(port)
    try:
        connection.request(method, path, body.encode())
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def run(container: Container, code: str) -> Any:
    """What `code` leaves in `answer`, run inside."""
    status, text = ask(container, "POST", "/run", code)
    assert status == 200, text
    return json.loads(text)
