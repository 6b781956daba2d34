"""One worker process: a model, or several, and the connections on which they are asked."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from relook.containers.embedded.host.http import Connection, Request, Response
from relook.containers.embedded.host.loading import load
from relook.containers.embedded.host.registry import Registry
from relook.containers.embedded.host.routes import ONLY, Routes
from relook.containers.embedded.host.settings import HostSettings
from relook.containers.embedded.host.statuses import NOT_LOADED, SERVER_GONE
from relook.containers.embedded.host.watchdog import Watchdog

_FLAGS = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
_OTHERS_FIRST = 0.2
"""Seconds that a busy worker leaves a new connection to another one; then it takes it, so that /ping is answered."""


class _Stop(BaseException):
    """SIGTERM: take no more, finish what has begun."""


class Worker:
    """`control` hands over connections. Runs on the process's main thread."""

    def __init__(self, runtime: str, settings: HostSettings, control: socket.socket) -> None:
        self._settings = settings
        self._control = control
        self._coming = select.poll()
        self._coming.register(control, select.POLLIN)
        self._taking = threading.Lock()
        self._links: dict[int, socket.socket] = {}
        self._busy = 0
        self._changed = threading.Condition()
        self._stopping = False
        watchdog = Watchdog(settings.timeout, self._expired)
        self._registry = Registry(lambda folder, name: load(runtime, folder, name, settings), watchdog)
        self._routes = Routes(self._registry, settings)

    def run(self) -> int:
        """The exit status."""
        if not self._settings.multi_model:
            try:
                self._registry.load(ONLY, str(self._settings.model))
            except BaseException:
                traceback.print_exc()
                print("relook: the model cannot be loaded", flush=True)
                return NOT_LOADED
        try:
            signal.signal(signal.SIGTERM, self._on_stop)
            while self._accept():
                pass
            return SERVER_GONE
        except _Stop:
            with self._changed:
                self._changed.wait_for(lambda: self._busy == 0)
        return 0

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._stopping = True
        raise _Stop

    def _accept(self) -> bool:
        """Take one connection; False when the server has gone."""
        if self._settings.workers > 1:
            with self._changed:
                self._changed.wait_for(lambda: self._busy == 0, _OTHERS_FIRST)
        self._coming.poll()
        try:
            with self._taking:
                data, descriptors, _, _ = socket.recv_fds(self._control, 1, 1, _FLAGS)
        except BlockingIOError:  # another worker was quicker
            return True
        for descriptor in descriptors:
            link = socket.socket(fileno=descriptor)
            try:
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()
            except RuntimeError as error:  # the sandbox's limit on processes counts threads
                print(f"relook: a connection is refused: {error}", flush=True)
                link.close()
        return bool(data)

    def _serve(self, link: socket.socket) -> None:
        thread = threading.get_ident()
        self._links[thread] = link
        try:
            with link, suppress(OSError):  # whoever asked has left: nobody to tell
                # With several workers each connection is for one request, so that the next goes to a free worker.
                Connection(link, self._settings.largest).serve(self._answer, self._keep)
        finally:
            del self._links[thread]

    def _keep(self) -> bool:
        return self._settings.workers == 1 and not self._stopping

    @contextmanager
    def _answer(self, request: Request) -> Iterator[Response]:
        with self._changed:
            self._busy += 1
        try:
            yield self._routes(request)
        finally:
            with self._changed:
                self._busy -= 1
                if not self._busy:
                    self._changed.notify_all()

    def _expired(self, thread: int) -> None:
        """Tell who waits for this thread's answer that there will be none. Nobody else is let in to be disappointed."""
        self._taking.acquire()
        text = f"the model did not answer within {self._settings.timeout:g} s (SAGEMAKER_MODEL_SERVER_TIMEOUT)".encode()
        head = f"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
        link = self._links.get(thread)
        if link is not None:
            with suppress(OSError):
                link.sendall(head.encode() + b"Connection: close\r\n\r\n" + text)


def run(runtime: str, settings: HostSettings, control: socket.socket) -> None:
    """In a process of its own, which ends with it: user's threads and exit handlers are not waited for."""
    status = NOT_LOADED
    try:
        status = Worker(runtime, settings, control).run()
    finally:
        os._exit(status)
