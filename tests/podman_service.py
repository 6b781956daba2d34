"""A Podman of the tests' own (the fixture `podman`): private storage and socket, nothing of the machine's own touched.

It runs without systemd and without the right to raise resource limits, as in a small virtual machine: hence runc,
cgroupfs and the default limits below. Whatever it lacks, `start` says so by PodmanMissing, for tests to skip with.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from docker.api.client import APIClient

import container_image
from relook.containers.engine.client import ERRORS

CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
REGISTRIES = """
[[registry]]
location = "127.0.0.1"
insecure = true
"""
# The socket is made by us and handed over (as systemd does), so whoever connects waits until Podman is there.
LAUNCH = """
import os, sys
from relook.processes import die_with
parent, descriptor, *command = sys.argv[1:]
die_with(int(parent))
os.dup2(int(descriptor), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execvp(command[0], command)
"""


HIDDEN = {"AWS_SECRET_ACCESS_KEY": "not-for-containers", "HTTPS_PROXY": "http://user:not-for-containers@192.0.2.7:1"}
"""In the environment of the service; no container may see it."""


class PodmanMissing(Exception):
    """Podman cannot run here; says why."""


def podman_with_image() -> PodmanService:
    """A running service that holds `container_image.IMAGE`. PodmanMissing, and nothing is left, where it cannot be."""
    service = PodmanService(HIDDEN)
    try:
        service.start()
        client = service.client()
        container_image.build(client)
        container_image.prove(client)
        client.close()
    except container_image.CannotBuild as error:
        service.close()
        raise PodmanMissing(str(error)) from error
    except BaseException:
        service.close()
        raise
    return service


class PodmanService:
    """`podman system service` on `socket`; `environment` is what the service has beyond the tests' own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="relook-podman-"))  # a socket's path must be short
        self.socket = self.folder / "engine.sock"
        self.setting = f"unix://{self.socket}"
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises PodmanMissing. Once it was stopped, it may be started again on what it holds."""
        if os.geteuid() != 0:
            raise PodmanMissing("the tests' Podman needs root")
        if not (shutil.which("podman") and shutil.which("runc")):
            raise PodmanMissing("podman or runc is not installed")
        self._write("containers.conf", CONFIGURATION)
        self._write("registries.conf", REGISTRIES)
        self._launch()
        try:
            client = self.client()
            client.close()
        except ERRORS as error:
            text = self._log().read_text("utf-8", "replace")[-500:]
            self.stop()
            raise PodmanMissing(f"podman does not run here: {error}; {text}") from error

    def client(self) -> APIClient:
        return APIClient(base_url=self.setting, version="auto", timeout=60)

    def stop(self) -> None:
        """End the service alone: containers go on."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """End everything and leave nothing behind."""
        self.stop()
        if (self.folder / "storage").exists():
            subprocess.run([*self._podman(), "rm", "--all", "--force", "--time=0"], env=self._variables(), check=True)
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
        for place in reversed([each for each in mounted if each.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", place], check=True)
        shutil.rmtree(self.folder)

    def _launch(self) -> None:
        self.socket.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listening, self._log().open("ab") as log:
            listening.bind(str(self.socket))
            listening.listen(64)
            launcher = [sys.executable, "-c", LAUNCH, str(os.getpid()), str(listening.fileno())]
            self._process = subprocess.Popen(
                [*launcher, *self._podman(), "system", "service", "--time=0"],
                env=self._variables(),
                cwd=self.folder,  # conmon leaves a file there where a container ran out of memory
                pass_fds=(listening.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _podman(self) -> list[str]:
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        return ["podman", *places, "--storage-driver=overlay", "--runtime=runc", "--log-level=error"]

    def _variables(self) -> dict[str, str]:
        named = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_REGISTRIES_CONF": "registries.conf"}
        return os.environ | {name: str(self.folder / file) for name, file in named.items()} | self._environment

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def _log(self) -> Path:
        return self.folder / "service.log"
