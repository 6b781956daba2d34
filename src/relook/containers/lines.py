"""Output of a program, as it comes in pieces, to lines of text."""

from __future__ import annotations

from collections.abc import Callable

LONGEST = 64 * 1024
"""Bytes. A longer line is handed on in parts of this size: memory stays bounded when a program never ends its line."""


class Lines:
    """Splits one stream (standard output or error) at line ends. Not for several threads at once."""

    def __init__(self, log: Callable[[str], None], longest: int = LONGEST) -> None:
        self._log = log
        self._longest = longest
        self._rest = bytearray()

    def feed(self, piece: bytes) -> None:
        """Hand on every line that ends in this piece, and what is too long to wait for its end."""
        self._rest += piece
        *whole, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in whole:
            self._hand_on(line)
        while len(self._rest) > self._longest:
            end = self._cut(self._rest)
            self._log(_text(self._rest[:end]))
            del self._rest[:end]

    def close(self) -> None:
        """The stream has ended: hand on what has no line end."""
        if self._rest:
            self._hand_on(self._rest)
            self._rest = bytearray()

    def _hand_on(self, line: bytearray) -> None:
        line = line.removesuffix(b"\r")
        while len(line) > self._longest:
            end = self._cut(line)
            self._log(_text(line[:end]))
            line = line[end:]
        self._log(_text(line))

    def _cut(self, line: bytearray) -> int:
        """The largest part that splits no UTF-8 character (of at most four bytes)."""
        for end in range(self._longest, max(self._longest - 4, 0), -1):
            if line[end] & 0xC0 != 0x80:
                return end
        return self._longest  # not UTF-8 anyway


def _text(line: bytes | bytearray) -> str:
    return line.decode("utf-8", "replace")
