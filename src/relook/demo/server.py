"""A Relook server as a process of its own, on a free loopback port, for as long as the demonstration lasts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from relook.demo.errors import ServerError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.1
_LOG_LINES = 12
_PR_SET_PDEATHSIG = 1


class Server:
    """`start` returns what `relook env` says; `stop` ends the process and says how that went."""

    def __init__(self, data: Path, log: Path, *, outlive: bool = False) -> None:
        """`data`: the server's data folder. `log`: where its output goes. `outlive`: stay when this process ends."""
        self._data = data
        self._log = log
        self._outlive = outlive
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "relook",
            "serve",
            "--data",
            str(self._data),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> dict[str, str]:
        """Start it and wait until it has written its address. Raises ServerError with the end of its log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demonstration, which then ends the server in good order
                preexec_fn=None if self._outlive else _die_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._ended_within(_POLL_SECONDS):
                raise ServerError(f"the server ended at once (exit code {self._process.returncode}):\n{self._tail()}")
            environment = read_environment(self._data)
            if environment:
                return environment
        self.stop()
        raise ServerError(
            f"the server gave no address within {START_SECONDS:.0f} s; its log {self._log}:\n{self._tail()}"
        )

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and wait; its exit code. Raises ServerError when it has to be killed."""
        if self._process is None or self._process.poll() is not None:
            return 0 if self._process is None else self._process.returncode
        self._process.send_signal(signal.SIGTERM)
        if not self._ended_within(STOP_SECONDS):
            self._process.kill()
            self._process.wait()
            raise ServerError(
                f"the server did not end within {STOP_SECONDS:.0f} s of being asked and was killed; see {self._log}"
            )
        return self._process.returncode

    def abandon(self) -> None:
        """End it because something else failed: what it says about its own end must not hide that."""
        with contextlib.suppress(ServerError):
            self.stop()

    def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _tail(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:]) or "(it wrote nothing)"


def import_weights(weights: Path, data: Path) -> str:
    """`relook weights import`: what it says. Raises ServerError with its words when it refuses the file."""
    command = [sys.executable, "-m", "relook", "weights", "import", str(weights), "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"the weights could not be imported: {done.stderr.strip()}")
    return done.stdout.strip()


def read_environment(data: Path) -> dict[str, str]:
    """What `relook env` prints for a data folder; empty as long as no server has written its address there."""
    done = subprocess.run(
        [sys.executable, "-m", "relook", "env", "--data", str(data)], capture_output=True, text=True, check=False
    )
    return parse_exports(done.stdout) if done.returncode == 0 else {}


def parse_exports(text: str) -> dict[str, str]:
    """`export NAME=value` lines, quoted as a shell reads them."""
    pairs = [shlex.split(line.removeprefix("export ")) for line in text.splitlines() if line.startswith("export ")]
    return dict(words[0].split("=", 1) for words in pairs if words and "=" in words[0])


def isolate(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables under which no AWS profile, file or endpoint of the user's is looked at."""
    clean = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return clean | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def _die_with_parent() -> None:
    """In the child, before exec: ask Linux for SIGTERM when the demonstration dies, even by kill -9."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
