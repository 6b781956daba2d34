"""Containers by the Docker Engine API."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from relook.containers.api import CannotRun, ContainerSpec, EngineFailed, LogSink
from relook.containers.engine import client as connection
from relook.containers.engine.client import ERRORS, Client, failures, reason
from relook.containers.engine.request import LABEL, creation
from relook.containers.engine.running import NOT_ISOLATED, EngineContainer, Output, release

_NO_PROGRAM = ("executable file not found", "no such file or directory", "permission denied", "exec format error")
_NO_NAME = ("invalid reference format", "must be lowercase")
_NO_GPU = "could not select device driver"
_logger = logging.getLogger(__name__)


class EngineDriver:
    """Connects at the first use, and again after the engine was away. `setting`: auto, none, or unix:///path of a
    socket. With `pull`, an image that is not here is fetched from its registry.
    """

    def __init__(self, setting: str = connection.AUTO, pull: bool = False) -> None:
        self._setting = setting
        self._pull = pull
        self._lock = threading.Lock()
        self._client: Client | None = None

    def runs(self, image: str) -> bool:
        """Any image may be one of the engine's."""
        return True

    def labels(self, image: str) -> Mapping[str, str]:
        """What the image says of itself (com.amazonaws.sagemaker.capabilities...). Raises ContainerError."""
        client = self._connected()
        return dict((self._image(client, image)["Config"] or {}).get("Labels") or {})

    def start(self, spec: ContainerSpec, log: LogSink) -> EngineContainer:
        """See `api.Driver`. Fetching the image counts."""
        client = self._connected()
        image = self._image(client, spec.image)
        identity = _create(client, spec, image)
        try:
            _granted(client, identity, spec)
            container = _begin(client, identity, spec, log)
            container.reach(spec.isolated, serves=spec.command[:1] == ("serve",))
        except BaseException:
            with failures(f"remove {spec.name}"):
                _remove(client, identity)
            raise
        return container

    def reap(self, prefix: str) -> None:
        """See `api.Driver`. What cannot be ended is logged: a server must start beside a broken engine."""
        try:
            client = self._connected()
            with failures("list containers"):
                found = client.containers(all=True, filters={"label": LABEL})
        except CannotRun as error:
            # Asked at each start for every use, and told by `relook doctor`: most machines have no engine.
            _logger.debug("no containers to clear away: %s", error)
            return
        except EngineFailed as error:
            _logger.warning("containers of an earlier server may be left: %s", error)
            return
        for name, identity in [(each["Labels"][LABEL], each["Id"]) for each in found]:
            if name.startswith(prefix):
                _logger.info("clearing away %s of an earlier server", name)
                _clear(client, name, identity)

    def close(self) -> None:
        """Let go of the connection; containers go on."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> Client:
        with self._lock:
            if self._client is not None and not self._client.answers():
                self._client.close()
                self._client = None
            if self._client is None:
                self._client = connection.connect(self._setting)
            return self._client

    def _image(self, client: Client, image: str) -> dict[str, Any]:
        """What the engine says of it, fetched if need be."""
        if (found := _inspect(client, image)) is not None:
            return found
        if not self._pull:
            fix = f"pull it (docker pull {image}, or podman), or let Relook do so with the setting pull_images"
            raise CannotRun(f"the image {image} is not on this machine: {fix}")
        self._fetch(client, image)
        if (found := _inspect(client, image)) is None:
            raise CannotRun(f"the image {image} was fetched, but is not there under that name")
        return found

    def _fetch(self, client: Client, image: str) -> None:
        _logger.info("fetching the image %s", image)
        try:
            for step in client.pull(image, stream=True, decode=True):
                if "error" in step:
                    raise CannotRun(f"the image {image} cannot be fetched: {step['error']}")
        except ERRORS as error:
            raise CannotRun(f"the image {image} cannot be fetched: {reason(error)}") from error


def _inspect(client: APIClient, image: str) -> dict[str, Any] | None:
    with failures(f"look for the image {image}"):
        try:
            found: dict[str, Any] = client.inspect_image(image)
        except NotFound:
            return None
        except APIError as error:
            if any(known in reason(error) for known in _NO_NAME):
                raise CannotRun(f"{image} is not the name of an image: {reason(error)}") from error
            raise
    return found


def _create(client: Client, spec: ContainerSpec, image: dict[str, Any]) -> str:
    with failures(f"create {spec.name} from {spec.image}"):
        created = client.create_container(
            **creation(client, spec, checks=bool((image["Config"] or {}).get("Healthcheck")))
        )
    for warning in created.get("Warnings") or ():
        _logger.warning("%s: the container engine says: %s", spec.name, warning)
    return str(created["Id"])


def _granted(client: Client, identity: str, spec: ContainerSpec) -> None:
    """Some engines leave out silently what they do not know: looked at before anything in there runs."""
    with failures(f"describe the container {spec.name}"):
        granted = client.inspect_container(identity)["HostConfig"]
    if spec.gpu and not granted.get("DeviceRequests"):
        raise CannotRun("a GPU was asked for, and this container engine does not hand out any")
    if spec.isolated and granted["NetworkMode"] != "none":
        raise CannotRun(NOT_ISOLATED)


def _begin(client: Client, identity: str, spec: ContainerSpec, log: LogSink) -> EngineContainer:
    output: Output | None = None
    with failures(f"start {spec.name}"):
        try:
            # Attached before it runs, so that not a line is lost. Podman finds out what cannot be run right here.
            output = client.attach(identity, stream=True, demux=True)
            client.start(identity)
        except APIError as error:
            if output is not None:
                release(output)
            raise _refused(reason(error), spec) from error
    return EngineContainer(client, spec.name, identity, output, log)


def _refused(text: str, spec: ContainerSpec) -> CannotRun | EngineFailed:
    if _NO_GPU in text:
        return CannotRun("a GPU was asked for, and the container engine has none to hand out (NVIDIA's toolkit for it)")
    if any(known in text.lower() for known in _NO_PROGRAM):
        return CannotRun(f"the image {spec.image} has nothing to run for {' '.join(spec.command)!r}: {text}")
    return EngineFailed(f"the container engine failed to start {spec.name}: {text}")


def _remove(client: Client, identity: str) -> None:
    with suppress(NotFound):
        client.remove_container(identity, v=True, force=True)


def _clear(client: Client, name: str, identity: str) -> None:
    try:
        with failures(f"remove {name}"):
            _remove(client, identity)
    except EngineFailed as error:
        _logger.warning("%s of an earlier server is left: %s", name, error)
