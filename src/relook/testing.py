"""A real server for tests, of Relook's own and of those who build on it: a process, a fresh port, real answers.

with LiveServer(tmp_path / "data") as server:
    s3 = boto3.Session(**server.credentials).client("s3", endpoint_url=server.endpoint)
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

START_SECONDS = 60.0
STOP_SECONDS = 60.0


class ServerFailed(Exception):
    """The server did not start or end as it should; the message carries the end of its log."""


class LiveServer:
    """`relook serve` as a process of its own on the data folder `data`, on a free loopback port.

    Its log goes to `<data>.log`. `options` are further flags, `environment` further variables of the process.
    """

    def __init__(self, data: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.log = data.with_name(data.name + ".log")
        self._options = options
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.variables: dict[str, str] = {}
        """What `relook env` prints, once it runs."""
        self.announced = ""
        """The line that the server printed when it was ready."""

    def start(self) -> LiveServer:
        """Start it and wait for its announcement. Raises ServerFailed."""
        command = [sys.executable, "-m", "relook", "serve", "--data", str(self.data), "--port", "0", *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = os.read(self._process.stdout.fileno(), 4096) if ready else b""
        if not line.startswith(b"serving "):
            self.kill()
            raise ServerFailed(f"the server did not start:\n{self.tail()}")
        self.announced = line.decode()
        self.variables = self._env()
        return self

    def stop(self) -> int:
        """SIGTERM, and wait; its exit code. Raises ServerFailed when it has to be killed."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"the server did not end within {STOP_SECONDS:g} s:\n{self.tail()}") from None
        self._close()
        return code

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        process = self._running()
        process.kill()
        process.wait()
        self._close()

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def endpoint(self) -> str:
        return self.variables["AWS_ENDPOINT_URL"]

    @property
    def credentials(self) -> dict[str, str]:
        """Keyword arguments for `boto3.Session`."""
        return {
            "aws_access_key_id": self.variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.variables["AWS_SECRET_ACCESS_KEY"],
            "region_name": self.variables["AWS_REGION"],
        }

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:]) or "(it wrote nothing)"

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()

    def _env(self) -> dict[str, str]:
        command = [sys.executable, "-m", "relook", "env", "--data", str(self.data), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.kill()
            raise ServerFailed(f"relook env: {done.stderr}\n{self.tail()}")
        values: dict[str, str] = json.loads(done.stdout)
        return values

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerFailed("the server is not running")
        return self._process

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
