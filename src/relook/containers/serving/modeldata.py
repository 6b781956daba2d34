"""Model data from the buckets into folders of this machine, one folder for all instances of the same content.

Everything lies under a folder of this process alone, which is locked: what a killed process left is swept by the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from relook.blobs.errors import BlobError, ObjectMissing
from relook.blobs.folder import FolderBlobs
from relook.containers.serving.api import StartFailed
from relook.containers.serving.sources import Source, find_sources, fingerprint
from relook.containers.serving.unpacking import CannotUnpack, UnpackLimits, unpack
from relook.core.serving import ModelData

_PIECE = 1 << 20
_TRIES = 3
"""How often objects may change under the copying before that is called a failure."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Patience:
    """How long something may take: `check` raises StartFailed once `seconds` are over, or when it was cancelled."""

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._what = what
        self._cancelled = False

    def cancel(self) -> None:
        """From any thread."""
        self._cancelled = True

    def check(self) -> None:
        if self._cancelled:
            raise StartFailed(f"{self._what} was given up")
        if time.monotonic() >= self._end:
            raise StartFailed(f"{self._what} took longer than {self._seconds:g} s")


class Lease:
    """A folder that is there until `release`."""

    def __init__(self, path: Path, release: Callable[[], None]) -> None:
        self.path = path
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Blocks while the last user's files are removed. Safe to call twice."""
        release, self._release = self._release, None
        if release is not None:
            release()


@dataclass(slots=True)
class _Entry:
    """One content: whether its folder is whole, and how many use it. `lock` is held while it is being made."""

    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    ready: bool = False


class _Changed(Exception):
    """An object is not what it was when it was listed."""


class ModelFolder:
    """Model data under `root`. Thread-safe; every method may block.

    Several processes may use the same `root`: each has a folder of its own in it.
    """

    def __init__(self, root: Path, blobs: FolderBlobs, limits: UnpackLimits | None = None) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._blobs = blobs
        self._limits = limits or UnpackLimits()
        self._entries: dict[str, _Entry] = {}
        self._guard = threading.Lock()
        with _locked(root / "sweeping"):
            _sweep(root)
            self._root = root / uuid.uuid4().hex
            self._root.mkdir(mode=0o700)
            self._lock = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def acquire(self, account: str, data: ModelData, patience: Patience) -> Lease:
        """The data as a folder: an archive unpacked, an object as a file, a prefix as a tree. StartFailed.

        The folder is shared, and must not be written to.
        """
        for _ in range(_TRIES):
            sources = find_sources(self._blobs, account, data, self._limits)
            try:
                return self._shared(account, data, sources, patience)
            except _Changed:
                continue
        raise StartFailed(f"the model data at {data.uri} changes while it is copied: wait for the upload to end")

    def scratch(self) -> Lease:
        """An empty folder of one's own, on the same disk, so that files of a Lease can be linked into it."""
        path = self._fresh()
        return Lease(path, lambda: shutil.rmtree(path))

    def close(self) -> None:
        """Remove everything. The folder is of no use afterwards."""
        shutil.rmtree(self._root)
        os.close(self._lock)

    def _fresh(self) -> Path:
        path = self._root / uuid.uuid4().hex
        path.mkdir()
        path.chmod(0o755)  # whatever the umask
        return path

    def _shared(self, account: str, data: ModelData, sources: list[Source], patience: Patience) -> Lease:
        key = fingerprint(account, data, sources)
        with self._guard:
            entry = self._entries.setdefault(key, _Entry(self._root / key))
            entry.users += 1
        try:
            _take(entry.lock, patience)
            try:
                if not entry.ready:
                    self._make(account, data, sources, entry.path, patience)
                    entry.ready = True
            finally:
                entry.lock.release()
        except BaseException:
            self._leave(key, entry)
            raise
        return Lease(entry.path, lambda: self._leave(key, entry))

    def _leave(self, key: str, entry: _Entry) -> None:
        gone = self._root / uuid.uuid4().hex
        with self._guard:
            entry.users -= 1
            if entry.users:
                return
            del self._entries[key]
            if not entry.ready:
                return
            entry.path.rename(gone)  # its name is free for whoever comes next
        shutil.rmtree(gone)

    def _make(self, account: str, data: ModelData, sources: list[Source], path: Path, patience: Patience) -> None:
        """Make the folder `path`, whole or not at all."""
        temporary = self._fresh()
        try:
            for source in sources:
                self._fetch(account, data, source, temporary, patience)
            _open_up(temporary)
            temporary.rename(path)
        except BaseException as error:
            shutil.rmtree(temporary)
            if isinstance(error, CannotUnpack):
                raise StartFailed(f"the model data at {data.uri} cannot be unpacked: {error}") from error
            if isinstance(error, OSError):
                advice = "the disk is full: free some space" if error.errno in _FULL else str(error)
                raise StartFailed(f"the model data at {data.uri} cannot be written to disk: {advice}") from error
            raise

    def _fetch(self, account: str, data: ModelData, source: Source, folder: Path, patience: Patience) -> None:
        version = source.version
        try:
            found, reader = self._blobs.objects.find_and_open(account, version.bucket, version.key)
        except ObjectMissing as error:
            raise _Changed from error
        except BlobError as error:
            raise StartFailed(f"the model data at {data.uri} cannot be read: {error}") from error
        with reader:
            if (found.id, found.etag) != (version.id, version.etag):
                raise _Changed
            archive = io.BufferedReader(reader, _PIECE)
            if data.gzip:
                unpack(archive, folder, self._limits, patience.check)
            else:
                _copy(archive, folder / source.name, patience)


def link_tree(source: Path, target: Path) -> None:
    """The folder `source` once more, its files hard-linked; `target` must not exist. Same file system only."""
    shutil.copytree(source, target, copy_function=os.link)


def _copy(source: BinaryIO, target: Path, patience: Patience) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        while piece := source.read(_PIECE):
            patience.check()
            file.write(piece)
    target.chmod(0o644)


def _take(lock: threading.Lock, patience: Patience) -> None:
    while not lock.acquire(timeout=0.5):
        patience.check()


def _open_up(folder: Path) -> None:
    """Let everybody read: a container may run as anybody, and our umask may forbid it."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(root: Path) -> None:
    """Remove the folders whose process is gone."""
    for folder in root.iterdir():
        if not folder.is_dir():
            continue
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            continue  # another process works in it
        finally:
            os.close(descriptor)
