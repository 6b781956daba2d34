"""The data folder: what lies where, who has it, and the address under which its server answers.

DataFolderError    the folder cannot be used
 +-- InUse          another server works on it
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LEAST_FREE = 64 * 1024 * 1024
"""Bytes of disk below which a server does not start: SQLite's log alone may need some."""


class DataFolderError(Exception):
    """The data folder cannot be used; the message names it, the rule and the fix."""


class InUse(DataFolderError):
    """Another server works on the data folder."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside the data folder `root`."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "relook.sqlite3"

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def models(self) -> Path:
        """The restored service description, for AWS_DATA_PATH."""
        return self.root / "models"

    @property
    def serving(self) -> Path:
        """Model data of SageMaker's containers, unpacked; made anew by whoever needs them."""
        return self.root / "serving"

    @property
    def training(self) -> Path:
        """What containers that train read and write, while they run."""
        return self.root / "training"

    @property
    def key(self) -> Path:
        return self.root / "administrator.json"

    @property
    def worker_lock(self) -> Path:
        return self.root / "worker.lock"

    @property
    def _server_lock(self) -> Path:
        return self.root / "server.lock"

    @property
    def _address(self) -> Path:
        return self.root / "server.json"

    def create(self) -> None:
        """Make the folder (mode 0700) and what it needs. DataFolderError when it cannot be written to, or is full."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.objects, self.artifacts, self.models):
                folder.mkdir(exist_ok=True)
            probe = self.root / f".probe-{os.getpid()}"
            probe.write_bytes(b"probe")
            probe.unlink()
        except OSError as error:
            raise _unusable(self.root, error) from error
        free = shutil.disk_usage(self.root).free
        if free < LEAST_FREE:
            raise DataFolderError(
                f"{self.root}: only {free // 2**20} MiB of disk are free, {LEAST_FREE // 2**20} MiB are needed to "
                "start: free some space, or name another folder with --data"
            )

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other servers away for the block. Raises InUse. A kill releases it too."""
        descriptor = os.open(self._server_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _taken(descriptor):
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                raise InUse(
                    f"{self.root}: a server (process {holder}) runs on this data folder already: stop it, "
                    "or name another folder with --data"
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            self.forget_address()
            yield
        except OSError as error:
            raise _unusable(self.root, error) from error
        finally:
            os.close(descriptor)

    def publish_address(self, endpoint: str) -> None:
        """Say where the server answers; `address` sees it whole or not at all."""
        temporary = self._address.with_suffix(".tmp")
        temporary.write_text(json.dumps({"endpoint": endpoint, "pid": os.getpid()}) + "\n")
        temporary.replace(self._address)

    def forget_address(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._address.unlink()

    def served(self) -> bool:
        """Whether a server runs on it."""
        try:
            with self._server_lock.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unusable(self.root, error) from error
        return False

    def address(self) -> str | None:
        """Where the server of this folder answers; None while none runs, or has not bound its port yet."""
        if not self.served():
            return None  # what is written there is from a server that was killed
        try:
            return str(json.loads(self._address.read_text())["endpoint"])
        except FileNotFoundError:
            return None


def _taken(descriptor: int) -> bool:
    """Lock the file for this process alone; False if another one has it so.

    Commands that only look whether a server runs share it for an instant, which must not keep a server from starting.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False


def _unusable(root: Path, error: OSError) -> DataFolderError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free some space" if full else "check who owns it and that it may be written to"
    return DataFolderError(
        f"{root}: the data folder cannot be used ({error.strerror or error}): {advice}, "
        "or name another folder with --data"
    )
