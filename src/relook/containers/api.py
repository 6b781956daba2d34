"""The seam to whatever runs a container: an engine that speaks Docker's API, or the embedded sandbox.

ContainerError     a container could not be run; the message is for the user
 +-- CannotRun     nothing here can run this image so, and trying again will not help: no engine, no such image, an
                   isolation that cannot be enforced
 +-- EngineFailed  the engine refused or broke down
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

PORT = 8080
"""Where a serving container listens, unless SAGEMAKER_BIND_TO_PORT tells it another one."""
STOP_SECONDS = 30.0
"""Between SIGTERM and SIGKILL for serving containers; a training has 120."""
LogSink = Callable[[str], None]
"""Given each line of output, without its end, on a thread of the driver's; must be quick and must not raise."""


class ContainerError(Exception):
    """A container could not be run."""


class CannotRun(ContainerError):
    """This image cannot be run here in this way."""


class EngineFailed(ContainerError):
    """The engine refused or broke down; another try may succeed."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine, as the container sees it."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """None leaves a limit out. `cpus` may be a fraction."""

    memory_bytes: int | None = None
    cpus: float | None = None
    processes: int | None = 4096


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to run. `name` is unique on this machine, and is found again after a crash of the server by its prefix.

    `command` follows the image's entry point (`serve`, `train`); `entrypoint` takes its place where given. With
    `isolated` there is no network inside but loopback, and the driver must refuse what it cannot isolate (CannotRun).
    No credential of ours is ever in the environment.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    hostname: str | None = None
    isolated: bool = False
    gpu: bool = False
    limits: Limits = Limits()


class Container(Protocol):
    """One that was started. Methods block, and may be called from any thread."""

    @property
    def name(self) -> str: ...

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        """A stream socket (TCP, or a Unix pair) to a port inside, isolated or not; blocking. Raises OSError."""
        ...

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status once it has ended (128 + signal for a killed one); None after `timeout` seconds."""
        ...

    def stop(self, grace: float = STOP_SECONDS) -> int:
        """SIGTERM, after `grace` seconds SIGKILL; the exit status. All that was started for it is gone, logs read."""
        ...


class Driver(Protocol):
    """Runs containers. Several threads may use it at once."""

    def runs(self, image: str) -> bool:
        """Whether this driver is the one for the image, whether or not that can be run now."""
        ...

    def start(self, spec: ContainerSpec, log: LogSink) -> Container:
        """Returns once the process runs, not once it answers. Raises ContainerError."""
        ...

    def reap(self, prefix: str) -> None:
        """End what an earlier server has left whose name begins so."""
        ...
