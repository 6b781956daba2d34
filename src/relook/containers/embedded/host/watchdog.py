"""Ends a worker whose model does not return: Python has no other way out of a call."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from relook.containers.embedded.host.http import Response
from relook.containers.embedded.host.statuses import EXPIRED


class Watchdog:
    """`expired` is called on the watchdog's thread with the thread whose call took too long, and then all ends."""

    def __init__(self, seconds: float, expired: Callable[[int], None]) -> None:
        self._seconds = seconds
        self._expired = expired
        self._due: dict[int, float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def __call__(self, call: Callable[[], Response]) -> Response:
        thread = threading.get_ident()
        with self._changed:
            self._due[thread] = time.monotonic() + self._seconds
            if len(self._due) == 1:  # others are due earlier
                self._changed.notify()
        try:
            return call()
        finally:
            with self._changed:
                del self._due[thread]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due)
                thread, due = min(self._due.items(), key=lambda item: item[1])
                left = due - time.monotonic()
                if left > 0:
                    # Until it is due, whatever ends meanwhile: waking for every call would cost more than it saves.
                    self._changed.wait(left)
                    continue
                # Still holding the lock: a call that ends just now waits, and answers no more.
                print(f"relook: the model did not answer within {self._seconds:g} s; its worker is ended", flush=True)
                self._expired(thread)
                os._exit(EXPIRED)
