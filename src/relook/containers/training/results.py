"""What a training leaves behind: its model and its output as one archive each, and why it failed."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from relook.blobs.folder import FolderBlobs
from relook.containers.training.objects import Sink, put_file, put_written
from relook.containers.training.syncing import is_text, regular_files

_LEVEL = 6
_FAILURE_CHARACTERS = 1024
_READ_BYTES = 4 * _FAILURE_CHARACTERS


def store_archive(
    blobs: FolderBlobs, account: str, bucket: str, key: str, folder: Path, note: Callable[[str], None]
) -> None:
    """Store a gzipped tar of a folder; the same files give the same bytes. `note` is told what was left out.

    Only regular files and folders go in. BlobError.
    """

    def write(sink: Sink) -> None:
        with (
            gzip.GzipFile("", "wb", _LEVEL, cast(IO[bytes], sink), mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            _add(archive, folder)

    for name in _others(folder):
        note(f"{name} is left out of {key}: it is no regular file, or has no name in UTF-8")
    put_written(blobs, account, bucket, key, "application/x-tar", write)


def store_files(
    blobs: FolderBlobs, account: str, bucket: str, prefix: str, folder: Path, note: Callable[[str], None]
) -> None:
    """Store every regular file below a folder under `prefix`, which ends in a slash. BlobError."""
    for name in _others(folder):
        note(f"{name} is left out of {prefix}: it is no regular file, or has no name in UTF-8")
    for found in regular_files(folder):
        with open(os.dup(found.descriptor), "rb") as source:
            put_file(blobs, account, bucket, prefix + found.name, source)


def empty(folder: Path) -> bool:
    """Whether there is no regular file in it."""
    return next(regular_files(folder), None) is None


def failure_text(output: Path) -> str:
    """The beginning of the file `failure` in the output folder; "" where there is none."""
    try:
        descriptor = os.open(output / "failure", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(_READ_BYTES).decode("utf-8", "replace")[:_FAILURE_CHARACTERS].strip()


def _add(archive: tarfile.TarFile, folder: Path) -> None:
    for found in regular_files(folder):
        entry = tarfile.TarInfo(found.name)
        entry.size = found.status.st_size
        entry.mode = 0o755 if found.status.st_mode & 0o100 else 0o644
        with open(os.dup(found.descriptor), "rb") as source:
            archive.addfile(entry, source)


def _others(folder: Path) -> list[str]:
    """What is neither a regular file nor a folder, or has a name that is no text."""
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        return [folder.name]
    found = []
    for path, folders, names, here in os.fwalk(folder):
        for name in sorted([*folders, *names]):
            mode = os.lstat(name, dir_fd=here).st_mode
            relative = (Path(path) / name).relative_to(folder).as_posix()
            if not is_text(relative) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                found.append(relative)
    return found
