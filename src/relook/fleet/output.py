"""What units print, carried into the server's log: whole lines, and only so many of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from typing import IO

_log = logging.getLogger("relook.fleet.output")
_LONGEST_LINE = 2000
_LINES_PER_SECOND = 50
_LAST_WORDS = 8


class OutputLog:
    """Reads a unit's output as it comes, without ever waiting for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pipe: IO[bytes], name: str, pid: int) -> None:
        self._loop = loop
        self._pipe = pipe
        self._extra = {"deployment": name, "unit": pid}
        self._rest = b""
        self._tail: deque[str] = deque(maxlen=_LAST_WORDS)
        self._second = 0
        self._logged = 0
        self._left_out = 0
        self._reading = True
        os.set_blocking(pipe.fileno(), False)
        loop.add_reader(pipe.fileno(), self._read)

    def close(self) -> str:
        """Read what is left once the unit has ended; the last lines it printed, joined by " | "."""
        for _ in range(64):  # a process that it left behind could go on writing
            if not self._read():
                break
        if self._rest:
            self._line(self._rest)
        self._stop()
        self._pipe.close()
        return " | ".join(self._tail)

    def _stop(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._pipe.fileno())
            self._reading = False

    def _read(self) -> bool:
        try:
            data = os.read(self._pipe.fileno(), 65536)
        except BlockingIOError:
            return False
        if not data:
            self._stop()
            return False
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        self._rest = rest[:_LONGEST_LINE]
        return True

    def _line(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode(errors="replace").rstrip()
        if not text:
            return
        self._tail.append(text)
        second = int(self._loop.time())
        if second != self._second:
            if self._left_out:
                _log.warning("%d lines of the inference unit left out", self._left_out, extra=self._extra)
            self._second, self._logged, self._left_out = second, 0, 0
        if self._logged < _LINES_PER_SECOND:
            self._logged += 1
            _log.info("%s", text, extra=self._extra)
        else:
            self._left_out += 1
