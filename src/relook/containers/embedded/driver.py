"""Containers in a sandbox of this machine, for the images that mean a built-in runtime."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec

from relook.containers.api import PORT, CannotRun, ContainerSpec, LogSink
from relook.containers.embedded import cgroups, sandbox
from relook.containers.embedded.container import EmbeddedContainer
from relook.containers.embedded.launch import Plan, start
from relook.containers.images import PREFIX, ImageTable, Runtime

_logger = logging.getLogger(__name__)
_NEEDS = {
    Runtime.VISION: "openvino",
    Runtime.ONNX: "openvino",
    Runtime.SKLEARN: "sklearn",
    Runtime.PYTORCH: "torch",
}
_TRAINS = (Runtime.PYTHON, Runtime.SKLEARN, Runtime.PYTORCH)
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class EmbeddedDriver:
    """See `api.Driver`. `table` says which images are ours. Sandboxes have no network, whatever a model allows itself,
    unless `network` says that those without isolation get the machine's own.
    """

    def __init__(self, table: ImageTable | None = None, network: bool = False, bubblewrap: str = "bwrap") -> None:
        self._table = table or ImageTable()
        self._network = network
        self._bubblewrap = bubblewrap
        self._works = False

    def runs(self, image: str) -> bool:
        """Built-in runtimes and what the table maps to them."""
        return self._table.built_in(image)

    def labels(self, image: str) -> Mapping[str, str]:
        """What our host can do, in the words of SageMaker's image labels."""
        names = ("accept-bind-to-port", "multi-models")
        return {f"com.amazonaws.sagemaker.capabilities.{name}": "true" for name in names}

    def start(self, spec: ContainerSpec, log: LogSink) -> EmbeddedContainer:
        """See `api.Driver`. CannotRun where there is no sandbox: foreign code never runs with the server's rights."""
        runtime = self._runtime(spec)
        port = _port(spec)
        self._check(spec, runtime)
        network = self._network and not spec.isolated
        room = spec.limits.memory_bytes or sandbox.ROOM_BYTES
        hostname = spec.hostname if spec.hostname and _HOSTNAME.fullmatch(spec.hostname) else "localhost"
        view = sandbox.View(hostname, spec.mounts, _environment(spec), network, room)
        plan = Plan(spec.name, ["--runtime", runtime, "--", *_command(spec)], view, spec.limits)
        started = start(self._bubblewrap, plan)
        for line in self._remarks(spec, network, started.unlimited):
            log(f"relook: {line}")
        return EmbeddedContainer(spec.name, port, started, log)

    def reap(self, prefix: str) -> None:
        """See `api.Driver`. The kernel has ended the processes with their server; what may be left is their groups."""
        for group in cgroups.leftover(prefix):
            for pid in cgroups.processes(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                group.remove()
            except OSError as error:
                _logger.warning("a control group of an earlier server cannot be removed: %s", error)

    def _runtime(self, spec: ContainerSpec) -> Runtime:
        runtime = self._table.runtime(spec.image)
        if runtime is None:
            there_are = ", ".join(PREFIX + each for each in Runtime)
            raise CannotRun(f"there is no built-in runtime for the image {spec.image}; there are {there_are}")
        needed = _NEEDS.get(runtime)
        if needed is not None and find_spec(needed) is None:
            fix = f"install {needed} into the server's Python environment, or run the image in a container engine"
            raise CannotRun(f"{spec.image} means {PREFIX}{runtime} here, which needs {needed}: {fix}")
        return runtime

    def _check(self, spec: ContainerSpec, runtime: Runtime) -> None:
        if spec.entrypoint is None and spec.command[:1] not in (("serve",), ("train",)):
            raise CannotRun(f"{PREFIX}{runtime} knows the commands serve and train, not {' '.join(spec.command)!r}")
        if spec.entrypoint is None and spec.command[:1] == ("train",) and runtime not in _TRAINS:
            can = ", ".join(PREFIX + each for each in _TRAINS)
            raise CannotRun(f"{PREFIX}{runtime} does not train; what runs training scripts is {can}")
        for mount in spec.mounts:
            if not mount.source.exists():
                raise CannotRun(f"{mount.source}, which is to be mounted at {mount.target}, does not exist")
        if not self._works:
            reason = sandbox.why_not(self._bubblewrap)
            if reason is not None:
                raise CannotRun(f"the image {spec.image} runs only in a sandbox, and there is none: {reason}")
            self._works = True

    def _remarks(self, spec: ContainerSpec, network: bool, unlimited: Sequence[str]) -> list[str]:
        remarks = []
        if not network and not spec.isolated:
            remarks.append("this sandbox has no network; the setting sandbox_network gives it the machine's")
        if spec.gpu:
            remarks.append("a GPU was asked for; built-in runtimes run on the CPU")
        if unlimited:
            remarks.append(f"no control group on this machine holds {', '.join(unlimited)}")
        return remarks


def _port(spec: ContainerSpec) -> int:
    text = spec.environment.get("SAGEMAKER_BIND_TO_PORT", str(PORT))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotRun(f"SAGEMAKER_BIND_TO_PORT is {text!r}; it takes a port from 1 to 65535")
    return int(text)


def _command(spec: ContainerSpec) -> list[str]:
    if spec.entrypoint is None:
        return list(spec.command)
    return ["exec", *spec.entrypoint, *spec.command]


def _environment(spec: ContainerSpec) -> dict[str, str]:
    """A small one of its own under the container's; nothing of the server's comes along."""
    environment = {
        "PATH": ":".join((*_programs(), "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "USER": "sandbox",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if spec.limits.cpus is not None:
        environment["OMP_NUM_THREADS"] = str(max(1, math.floor(spec.limits.cpus)))
    return environment | dict(spec.environment)


def _programs() -> list[str]:
    return [folder for folder in sandbox.python_folders() if os.path.basename(folder) == "bin"]
