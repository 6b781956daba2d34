"""An object's pieces read as one file."""

from __future__ import annotations

import bisect
import io
import os
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from relook.blobs.files import Files
from relook.blobs.records import Piece

_EAGER_PIECES = 64
"""Objects of up to so many pieces are opened whole, so that a reader in another process outlives a delete too."""


class ObjectReader(io.RawIOBase):
    """Read-only, seekable. Its files stay on disk until it is closed, even when the object is deleted meanwhile.

    FileNotFoundError from the constructor: the object was deleted before its files could be held.
    """

    def __init__(self, files: Files, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._files = files
        self._pieces = list(pieces)
        self._names = [piece.file for piece in pieces]
        self._ends = list(accumulate(piece.size for piece in pieces))
        self._position = 0
        self._descriptors: dict[int, int] = {}
        files.pin(self._names)
        self._held = True
        try:
            for index in range(min(len(self._pieces), _EAGER_PIECES)):
                self._descriptor(index)
        except BaseException:
            self.close()
            raise

    @property
    def length(self) -> int:
        return self._ends[-1] if self._ends else 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.length}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}: before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        index = bisect.bisect_right(self._ends, self._position)
        if not view or index >= len(self._pieces):
            return 0
        start = self._ends[index] - self._pieces[index].size
        rest = self._ends[index] - self._position
        count = os.preadv(self._descriptor(index), [view[:rest]], self._position - start)
        if count == 0:
            raise OSError(f"object file {self._names[index]} is shorter than its row says: restore the data folder")
        self._position += count
        return count

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes from here, fewer only at the end."""
        wanted = max(0, min(size, self.length - self._position))
        buffer = bytearray(wanted)
        view = memoryview(buffer)
        filled = 0
        while filled < wanted:
            filled += self.readinto(view[filled:])
        view.release()
        return bytes(buffer)

    def close(self) -> None:
        if getattr(self, "_held", False):
            self._held = False
            for descriptor in self._descriptors.values():
                os.close(descriptor)
            self._descriptors.clear()
            self._files.unpin(self._names)
        super().close()

    def _descriptor(self, index: int) -> int:
        if index not in self._descriptors:
            if len(self._descriptors) > _EAGER_PIECES:
                os.close(self._descriptors.pop(max(self._descriptors)))
            self._descriptors[index] = os.open(self._files.path(self._names[index]), os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptors[index]
