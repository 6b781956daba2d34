"""Lines from running programs into the log tables: buffered, written in batches by a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from sqlalchemy.exc import OperationalError

from relook.core.clock import Clock, system_clock
from relook.core.names import Scope
from relook.store import logs
from relook.store.engine import StorageFull, Store

_log = logging.getLogger(__name__)
_MOST_TEXT = logs.MAX_EVENT_BYTES - logs.EVENT_OVERHEAD
_Key = tuple[Scope, str, str]


@dataclass(slots=True)
class _Pending:
    lines: list[tuple[int, str]] = field(default_factory=list)
    size: int = 0
    dropped: int = 0


class LogWriter:
    """Any number of sinks on one store; use it as a context, or `close` it. Safe from every thread.

    Lines are written every `interval` seconds, at `flush` and at `close`. While the database does not take them they
    wait, up to `most_bytes` in all; a line that finds no room is dropped, and the stream says how many were. A line
    that is longer than an event may be becomes several.
    """

    def __init__(
        self, store: Store, *, clock: Clock = system_clock, interval: float = 0.5, most_bytes: int = 8 * 2**20
    ) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._most_bytes = most_bytes
        self._pending: dict[_Key, _Pending] = {}
        self._size = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # one batch at a time, so that lines keep their order
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def sink(self, scope: Scope, group: str, stream: str) -> Callable[[str], None]:
        """Takes one line at a time, quickly, and never raises; each gets the time of its arrival."""
        key = (scope, group, stream)
        return lambda line: self.write(key, line)

    def write(self, key: _Key, line: str) -> None:
        """Add a line to the stream (scope, group, name). Empty ones are left out, as CloudWatch takes none."""
        time = self._clock()
        parts = list(_parts(line))
        with self._lock:
            pending = self._pending.setdefault(key, _Pending())
            for text, size in parts:
                if pending.dropped or self._size + size > self._most_bytes:  # one gap, not many small ones
                    pending.dropped += 1
                else:
                    pending.lines.append((time, text))
                    pending.size += size
                    self._size += size
        self._wake.set()

    def flush(self) -> bool:
        """Write what there is now; False when the database would not take it, and it waits for another try."""
        with self._writing:
            with self._lock:
                batch, self._pending = self._pending, {}
            try:
                if batch:
                    self._store_batch(batch)
            except (StorageFull, OperationalError) as error:
                _log.warning("log lines wait: %s", error)
                self._give_back(batch)
                return False
            with self._lock:
                self._size -= sum(pending.size for pending in batch.values())
            return True

    def close(self) -> None:
        """Write the rest, and end the thread. What cannot be written now is lost, which the server's log tells."""
        self._closing.set()
        self._wake.set()
        self._thread.join()
        if not self.flush():
            lost = sum(len(pending.lines) for pending in self._pending.values())
            _log.error("%d log lines are lost: the database took none of them", lost)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            # Not at once: a program that writes a thousand lines a second costs two transactions a second.
            self._closing.wait(self._interval)
            if not self.flush():
                self._wake.set()

    def _store_batch(self, batch: dict[_Key, _Pending]) -> None:
        now = self._clock()
        with self._store.write() as connection:
            for (scope, group, stream), pending in batch.items():
                lines = list(pending.lines)
                if pending.dropped:
                    lines.append(
                        (now, f"({pending.dropped} lines dropped here: they came faster than they were stored)")
                    )
                logs.append(connection, scope, group, stream, lines, now)

    def _give_back(self, batch: dict[_Key, _Pending]) -> None:
        with self._lock:
            for key, pending in batch.items():
                newer = self._pending.get(key, _Pending())
                pending.lines += newer.lines
                pending.size += newer.size
                pending.dropped += newer.dropped
                self._pending[key] = pending


def _parts(line: str) -> Iterator[tuple[str, int]]:
    """The line's texts with their sizes in bytes; what no UTF-8 can say has been replaced."""
    data = line.rstrip("\r\n").encode("utf-8", "replace")
    while data:
        end = min(len(data), _MOST_TEXT)
        while end < len(data) and data[end] & 0xC0 == 0x80:  # not inside a character
            end -= 1
        yield data[:end].decode("utf-8"), end + logs.EVENT_OVERHEAD
        data = data[end:]
