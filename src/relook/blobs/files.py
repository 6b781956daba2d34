"""Object bytes as files with random names; what they mean stands in rows alone.

A file is written under `tmp/`, flushed to the disk, renamed to its place, and its directory flushed, before any row
names it; a file is removed only after the row that named it is gone. So a crash leaves files without rows, which
`sweep` removes, and never rows without files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from relook.blobs.errors import NoRoom
from relook.blobs.records import StoredFile

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SWEEP_BATCH = 500
_COPY_STEP = 1 << 20


class Files:
    """The folder of object files. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = root / "tmp"
        self._lock = threading.Lock()
        self._pins: Counter[str] = Counter()
        self._condemned: set[str] = set()
        self._prepare()

    def _prepare(self) -> None:
        self._temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(256):
            (self.root / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
        flush_directory(self.root)
        flush_directory(self.root.parent)

    def path(self, file: str) -> Path:
        return self.root / file[:2] / file[2:]

    def stage(self) -> Staged:
        """A new file to write; NoRoom where the disk is full."""
        file = uuid.uuid4().hex
        return Staged(file, self._temporary / file, self.path(file))

    @contextlib.contextmanager
    def pinned(self, files: Iterable[str]) -> Iterator[None]:
        """Keep files on disk for the block, whatever rows are deleted meanwhile."""
        held = list(files)
        self.pin(held)
        try:
            yield
        finally:
            self.unpin(held)

    def pin(self, files: Iterable[str]) -> None:
        with self._lock:
            self._pins.update(files)

    def unpin(self, files: Iterable[str]) -> None:
        freed = []
        with self._lock:
            for file in files:
                self._pins[file] -= 1
                if self._pins[file] <= 0:
                    del self._pins[file]
                    if file in self._condemned:
                        self._condemned.discard(file)
                        freed.append(file)
        self._unlink(freed)

    def remove(self, files: Iterable[str]) -> None:
        """Remove files that no row names any more: now, or when their last reader is done."""
        freed = []
        with self._lock:
            for file in files:
                if self._pins[file] > 0:
                    self._condemned.add(file)
                else:
                    del self._pins[file]
                    freed.append(file)
        self._unlink(freed)

    def _unlink(self, files: Iterable[str]) -> None:
        for file in files:
            self.path(file).unlink(missing_ok=True)

    def sweep(self, named: Callable[[list[str]], set[str]]) -> int:
        """Remove temporary files, and files that `named` (given a batch, the ids some row names) does not know.

        Only for a start, when nothing is being written. Returns how many files went.
        """
        removed = 0
        for entry in os.scandir(self._temporary):
            os.unlink(entry.path)
            removed += 1
        for directory in (self.root / f"{number:02x}" for number in range(256)):
            for batch in _batches(directory):
                orphans = set(batch) - named(batch)
                self._unlink(orphans)
                removed += len(orphans)
        return removed


def _batches(directory: Path) -> Iterator[list[str]]:
    with os.scandir(directory) as entries:
        while batch := [directory.name + entry.name for entry in islice(entries, _SWEEP_BATCH)]:
            yield batch


class Staged:
    """A file being written: `write` pieces, then `finish`; `discard` whenever it shall not stay.

    Not thread-safe; each call blocks.
    """

    def __init__(self, file: str, temporary: Path, final: Path) -> None:
        self.id = file
        self.size = 0
        self._temporary = temporary
        self._final = final
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32 = 0
        self._finished = False
        with _room():
            self._descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Append; NoRoom where the disk is full."""
        view = memoryview(data)
        with _room():
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._md5.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self.size += len(data)

    def finish(self) -> StoredFile:
        """Flush everything to the disk, under its final name. The file now belongs to whoever makes a row for it."""
        with _room():
            os.fsync(self._descriptor)
            self._close()
            os.rename(self._temporary, self._final)
            flush_directory(self._final.parent)
        self._finished = True
        return StoredFile(self.id, self.size, self._md5.hexdigest(), self._crc32)

    def discard(self) -> None:
        """Remove an unfinished file, wherever it got to; nothing happens to a finished one."""
        if self._finished:
            return
        self._close()
        self._temporary.unlink(missing_ok=True)
        self._final.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise NoRoom from error
        raise


def flush_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
