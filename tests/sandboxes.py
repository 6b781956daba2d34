"""Real sandboxes for tests, and a plain client for what runs in them."""

from __future__ import annotations

import http.client
import json
import socket
import textwrap
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from relook.containers.api import Container, ContainerSpec, Limits, Mount
from relook.containers.embedded import sandbox
from relook.containers.embedded.container import EmbeddedContainer
from relook.containers.embedded.driver import EmbeddedDriver

SECONDS = 60.0
REASON = sandbox.why_not("bwrap")
needs_sandbox = pytest.mark.skipif(REASON is not None, reason=f"no sandbox on this machine: {REASON}")
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answered:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


class Log:
    """The lines of a container; `wait_for` returns the first that holds the words."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, words: str) -> str:
        def found() -> str | None:
            return next((line for line in self.lines if words in line), None)

        with self._changed:
            assert self._changed.wait_for(found, SECONDS), f"{words!r} is not in {self.lines}"
        return found() or ""

    def __str__(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Running:
    container: EmbeddedContainer
    log: Log

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answered:
        with self.container.connect() as link:
            link.settimeout(SECONDS)
            return ask(link, method, path, body, headers)

    def invoke(self, body: bytes | str, headers: Mapping[str, str] | None = None) -> Answered:
        return self.ask("POST", "/invocations", body.encode() if isinstance(body, str) else body, headers or JSON)


def ask(
    link: socket.socket, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answered:
    """One request over a connected socket, which stays open."""
    client = http.client.HTTPConnection("sandbox")
    client.sock = link
    client.request(method, path, body, dict(headers or {}))
    with client.getresponse() as response:
        return Answered(response.status, response.reason, dict(response.headers.items()), response.read())


@dataclass
class Sandboxes:
    """Starts containers for one test, and ends them after it."""

    folder: Path
    driver: EmbeddedDriver = field(default_factory=EmbeddedDriver)
    running: list[Container] = field(default_factory=list)

    def model(self, code: str = "", **files: bytes) -> Path:
        """A folder of model data, `code` being its code/inference.py; file names with `__` for a dot."""
        folder = self.folder / f"model-{len(list(self.folder.iterdir()))}"
        (folder / "code").mkdir(parents=True)
        if code:
            (folder / "code" / "inference.py").write_text(textwrap.dedent(code))
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_bytes(content)
        return folder

    def start(
        self,
        model: Path,
        runtime: str = "python",
        environment: Mapping[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        command: tuple[str, ...] = ("serve",),
        limits: Limits | None = None,
        driver: EmbeddedDriver | None = None,
        **more: Any,
    ) -> Running:
        """See ContainerSpec. Isolated unless told otherwise."""
        log = Log()
        spec = ContainerSpec(
            name=f"test-{self.folder.name}-{len(self.running)}",
            image=f"builtin/{runtime}",
            command=command,
            environment=environment or {},
            mounts=(Mount(model, "/opt/ml/model"), *mounts),
            limits=limits or Limits(memory_bytes=2 << 30),
            **{"isolated": True} | more,
        )
        container = (driver or self.driver).start(spec, log)
        self.running.append(container)
        return Running(container, log)

    def serve(self, code: str, **options: Any) -> Running:
        return self.start(self.model(code), **options)

    def end(self) -> None:
        for container in self.running:
            container.stop(0)


def eventually(holds: Callable[[], bool], pause: threading.Event | None = None) -> bool:
    """Whether it comes to hold: for what the kernel does and nobody tells."""
    waiting = pause or threading.Event()
    for _ in range(int(SECONDS / 0.02)):
        if holds():
            return True
        waiting.wait(0.02)
    return False
