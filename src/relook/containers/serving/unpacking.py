"""model.tar.gz into a folder, believing nothing it says: regular files and folders only, within limits.

CannotUnpack    the archive is broken, names what it must not, or holds too much; the message names the member
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

_PIECE = 1 << 20
_LARGEST_READ = 2 * _PIECE
"""tarfile reads extended headers whole: one that claims to be larger is refused before it fills the memory."""
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
}


class CannotUnpack(Exception):
    """The archive cannot be unpacked; the message names the member where there is one."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may become. `ratio` is bytes unpacked to bytes packed, and counts from `ratio_from` bytes on."""

    total_bytes: int = 32 * 2**30
    members: int = 200_000
    ratio: float = 200.0
    ratio_from: int = 256 * 2**20


def unpack(archive: BinaryIO, folder: Path, limits: UnpackLimits, check: Callable[[], None] = lambda: None) -> None:
    """Unpack a gzipped tar into `folder`, which exists and is empty. CannotUnpack; OSError where the disk refuses.

    `check` is called about every MiB and may raise to end it. Files are readable for all, as a container may run as
    anybody; owners and times are not kept. What stands in `folder` after an error is for the caller to remove.
    """
    source = _Inflated(archive, limits, check)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], source), mode="r:") as tar:
            _members(tar, source, folder, limits)
        source.drain()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as error:
        where = f"after member {source.member!r}" if source.member else "at its start"
        raise CannotUnpack(f"it is no whole gzipped tar: {error} ({where})") from error


def _members(tar: tarfile.TarFile, source: _Inflated, folder: Path, limits: UnpackLimits) -> None:
    written = 0
    for count, member in enumerate(tar, 1):
        source.member = member.name
        if count > limits.members:
            raise CannotUnpack(f"member {member.name!r} is one more than the {limits.members} allowed")
        written += member.size
        if written > limits.total_bytes:
            raise CannotUnpack(f"with member {member.name!r} it is larger than the {limits.total_bytes} bytes allowed")
        _member(tar, member, folder)
    if source.last_read.strip(b"\0"):
        raise tarfile.ReadError("bad or cut header")


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder / _inside(member)
    try:
        if member.isdir():
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
            return
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with target.open("wb") as file:
            _copy(tar, member, file)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise CannotUnpack(f"member {member.name!r} is both a file and a folder") from error


def _inside(member: tarfile.TarInfo) -> PurePosixPath:
    """Where a member belongs, relative to the folder."""
    name = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()):
        kind = _KINDS.get(member.type, "of a kind unknown here")
        raise CannotUnpack(f"member {member.name!r} is {kind}: only files and folders are allowed")
    if member.issparse() or member.size < 0:
        raise CannotUnpack(f"member {member.name!r} is a sparse file: pack it without --sparse")
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise CannotUnpack(f"member {member.name!r} leads out of the model's folder")
    if len(member.name) > 4000 or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in name.parts):
        raise CannotUnpack(f"member {member.name[:100]!r}... has too long a name")
    if member.isreg() and not name.parts:
        raise CannotUnpack(f"member {member.name!r} is a file without a name")
    return name


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: BinaryIO) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise CannotUnpack(f"member {member.name!r} has no content")
    while piece := content.read(_PIECE):
        target.write(piece)


class _Inflated:
    """The bytes inside the gzip, forward only, as tarfile reads them; holds the limits on the way."""

    def __init__(self, archive: BinaryIO, limits: UnpackLimits, check: Callable[[], None]) -> None:
        self._archive = archive
        self._inflated = gzip.GzipFile(fileobj=archive, mode="rb")
        self._limits = limits
        self._check = check
        self._position = 0
        self.member = ""
        self.last_read = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise CannotUnpack(f"a header after member {self.member!r} claims to be {size} bytes long")
        self._check()
        data = self._inflated.read(size)
        self._position += len(data)
        self._check_size()
        self.last_read = data
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset < self._position:
            raise tarfile.ReadError("its members overlap")
        while self._position < offset and self.read(min(_PIECE, offset - self._position)):
            pass
        return self._position

    def drain(self) -> None:
        """To the end: only there gzip's checksum is compared."""
        while self.read(_PIECE):
            pass

    def _check_size(self) -> None:
        near = f"near member {self.member!r}" if self.member else "before its first member"
        if self._position > self._limits.total_bytes + self._limits.members * tarfile.BLOCKSIZE:
            raise CannotUnpack(f"{near} it is larger than the {self._limits.total_bytes} bytes allowed")
        large = self._position >= self._limits.ratio_from
        if large and self._position > self._limits.ratio * max(1, self._archive.tell()):
            raise CannotUnpack(f"{near} it unpacks to more than {self._limits.ratio:g} times its size")
