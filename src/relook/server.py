"""The server process: the port, the signals, and an end in good order."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relook.app import App, running
from relook.datafolder import DataFolder
from relook.settings import Settings, SettingsError

_log = logging.getLogger(__name__)


class ServerError(Exception):
    """The server cannot listen; the message names the address and the fix."""


_ENGINE_PATIENCE = 120
"""Seconds in which a GPU opens, the first time on a machine."""
HEAD_LIMIT = 64 * 1024
"""Bytes of a request line and its headers, give or take what one read brings."""
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _Protocol(HttpToolsProtocol):
    """uvicorn's own, with a limit to the head of a request, which it would otherwise keep in memory at any length."""

    _head: int | None = None
    """Bytes since the head of the present request began; None while none is being read."""

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT:
            _log.warning("a request head of more than %d bytes is refused", HEAD_LIMIT)
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()


class _Uvicorn(uvicorn.Server):
    """Signals are ours: uvicorn would end by the signal itself, and callers take that for a crash."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends it at once, without waiting for the requests in flight.

    `announce` is called with the endpoint once requests are answered.

    Raises SettingsError where this machine cannot do what they ask, DataFolderError, ServerError, and what
    `app.running` raises.
    """
    _check_engine(settings)
    folder = DataFolder(settings.data)
    folder.create()
    with folder.hold(), _listen(settings) as listener:
        uvloop.run(_serve(settings, folder, listener, announce))


def _check_engine(settings: Settings) -> None:
    """SettingsError where `device` or `precision` asks for something by name that this machine does not have.

    Looked at in a process of its own: the server itself loads no inference runtime.
    """
    asked = {"device": settings.device, "precision": settings.precision}
    named = [f"{name}={value}" for name, value in asked.items() if value not in ("auto", "cpu", "f32")]
    if not named:
        return
    command = [sys.executable, "-m", "relook.vision.able", *(f"--{option}" for option in named)]
    try:
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_ENGINE_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"{', '.join(named)}: no answer within {_ENGINE_PATIENCE} s; see `nvidia-smi`") from error
    if found.returncode:
        raise SettingsError(f"{', '.join(named)}: {found.stdout.strip() or 'cannot be looked at; see above'}")


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    where = f"{settings.host}:{settings.port}"
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(2048)
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                advice = "the port is in use: stop what uses it, or take another with --port (0 takes any free one)"
            else:
                advice = f"{getattr(error, 'strerror', None) or error}: check --host and --port"
            raise ServerError(f"cannot listen on {where}: {advice}") from error
        yield listener


def endpoint_of(listener: socket.socket) -> str:
    """The URL for clients on this machine: a wildcard address is answered on loopback too."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _serve(
    settings: Settings, folder: DataFolder, listener: socket.socket, announce: Callable[[str], None]
) -> None:
    end, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: (hurry if end.is_set() else end).set())
    async with running(settings) as app:
        server = _Uvicorn(_config(app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        endpoint = endpoint_of(listener)
        folder.publish_address(endpoint)
        _log.info("relook serves %s", endpoint, extra={"endpoint": endpoint, "data": str(settings.data)})
        announce(endpoint)
        ended = asyncio.create_task(end.wait())
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        folder.forget_address()
        server.force_exit = not await _drain(app, settings.drain_seconds, hurry)
        server.should_exit = True
        await serving
    _log.info("relook has ended")


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app.gateway,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


async def _drain(app: App, seconds: float, hurry: asyncio.Event) -> bool:
    """Whether every request in flight was answered within `seconds`, and before `hurry` was set."""
    _log.info("relook ends: %d requests in flight", app.gateway.in_flight)
    drained, hurried = asyncio.create_task(app.gateway.drain()), asyncio.create_task(hurry.wait())
    await asyncio.wait({drained, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in (drained, hurried):
        task.cancel()
    if drained.done():
        return True
    why = "when it was told to end at once" if hurry.is_set() else f"within {seconds:g} s"
    _log.warning("%d requests were not answered %s, and are dropped", app.gateway.in_flight, why)
    return False
