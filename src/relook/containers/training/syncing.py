"""A container's folder kept in a bucket: what is there comes in at the start, what changes goes out."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from relook.blobs.folder import FolderBlobs
from relook.containers.training.files import copy
from relook.containers.training.objects import items_below, put_file
from relook.core.batch.names import Place

_SETTLED_SECONDS = 1.0
"""A file that changed less than so long ago may be half written: it waits for the next round."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file below a folder, opened by the caller's turn of the loop alone."""

    name: str
    descriptor: int
    status: os.stat_result


class FolderSync:
    """One folder and its place. What is deleted in the folder stays in the bucket."""

    def __init__(self, blobs: FolderBlobs, account: str, folder: Path, place: Place) -> None:
        self._blobs = blobs
        self._account = account
        self._folder = folder
        self._place = Place(place.bucket, place.prefix.rstrip("/"))
        self._sent: dict[str, tuple[int, int]] = {}

    def fetch(self) -> None:
        """Fill the empty folder with what the place holds. BlobError, TrainingInputError, OSError."""
        prefix = self._place.prefix and self._place.prefix + "/"
        for item in items_below(self._blobs, self._account, Place(self._place.bucket, prefix)):
            copy(self._blobs, self._account, item, self._folder)
        for found in regular_files(self._folder):
            self._sent[found.name] = _version(found)

    def send(self, *, everything: bool = False) -> int:
        """Store the files that changed since; with `everything` also those that may be half written. BlobError."""
        sent = 0
        for found in regular_files(self._folder):
            fresh = not everything and time.time() - found.status.st_mtime < _SETTLED_SECONDS
            if self._sent.get(found.name) == _version(found) or fresh:
                continue
            key = f"{self._place.prefix}/{found.name}" if self._place.prefix else found.name
            with open(os.dup(found.descriptor), "rb") as source:
                put_file(self._blobs, self._account, self._place.bucket, key, source)
            self._sent[found.name] = _version(found)
            sent += 1
        return sent


def regular_files(folder: Path) -> Iterator[Found]:
    """The regular files below a folder that a container may be changing meanwhile, by name; links are not followed.

    Names that are no text are left out: no key could say them.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        return
    for path, folders, names, here in os.fwalk(folder):
        folders.sort()
        for name in sorted(names):
            relative = (Path(path) / name).relative_to(folder).as_posix()
            descriptor = _opened(name, here) if is_text(relative) else None
            if descriptor is None:
                continue
            try:
                status = os.fstat(descriptor)
                if stat.S_ISREG(status.st_mode):
                    yield Found(relative, descriptor, status)
            finally:
                os.close(descriptor)


def _opened(name: str, folder: int) -> int | None:
    try:
        # Without waiting: it may be a pipe.
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None  # a link, or gone by now


def is_text(name: str) -> bool:
    """Whether a file's name can be said in UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _version(found: Found) -> tuple[int, int]:
    return found.status.st_mtime_ns, found.status.st_size
