"""The connection to the engine: which socket, whether anything answers there, and its errors in our words."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import urllib3
from docker.api.client import APIClient
from docker.errors import APIError, DockerException

from relook.containers.api import CannotRun, EngineFailed

AUTO = "auto"
NONE = "none"
SCHEME = "unix://"
FIX = (
    "install Docker or Podman and start its service (systemctl start docker, or podman.socket), "
    "name its socket in the setting container_engine, or have a built-in runtime stand in (the setting images)"
)
ERRORS = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError)
"""What the library raises, if it does not pass through what the system raised."""
_SECONDS = 60
"""For one answer of the engine. Waiting for the end of a container is not bounded by it."""


def sockets(setting: str) -> list[Path]:
    """Where to look, in this order. `setting` is auto, none, or unix:///path."""
    if setting == NONE:
        return []
    if setting != AUTO:
        return [Path(setting.removeprefix(SCHEME))]
    own = Path(f"/run/user/{os.getuid()}")
    return [
        Path("/var/run/docker.sock"),
        Path("/run/podman/podman.sock"),
        own / "docker.sock",
        own / "podman/podman.sock",
    ]


class Client(APIClient):
    """The library's, and whether anything still listens at the other end. Raises OSError, or one of ERRORS."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _knock(path)
        super().__init__(base_url=f"{SCHEME}{path}", version="auto", timeout=_SECONDS)

    def answers(self) -> bool:
        """Asks nothing; where this says no, the library would leave a socket unclosed in finding out."""
        try:
            _knock(self.path)
        except OSError:
            return False
        return True


def _knock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_SECONDS)
        probe.connect(str(path))


def connect(setting: str) -> Client:
    """A client of the first engine that answers. Raises CannotRun, which says what was tried."""
    if setting == NONE:
        raise CannotRun("container engines are switched off here (container_engine is none)")
    places = sockets(setting)
    tried = []
    for place in places:
        try:
            return Client(place)
        except FileNotFoundError:
            continue
        except (*ERRORS, OSError) as error:
            tried.append(f"{place}: {reason(error)}")
    if tried:
        raise CannotRun(f"no container engine answers ({'; '.join(tried)}); {FIX}")
    raise CannotRun(f"there is no container engine: no socket at {', '.join(map(str, places))}; {FIX}")


def describe(client: Client) -> str:
    """Name and version, such as "Podman Engine 4.3.1"."""
    with failures("tell its version"):
        found = client.version()
    parts = [part for part in found.get("Components") or () if "Engine" in part.get("Name", "")]
    name, version = (parts[0]["Name"], parts[0]["Version"]) if parts else ("Docker Engine", found.get("Version", "?"))
    return f"{'Docker Engine' if name == 'Engine' else name} {version}"


@contextmanager
def failures(doing: str) -> Iterator[None]:
    """Turns the engine's errors into EngineFailed: the container engine failed to `doing`."""
    try:
        yield
    except ERRORS as error:
        raise EngineFailed(f"the container engine failed to {doing}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What went wrong: the engine's own words where there are any."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error) or type(error).__name__
