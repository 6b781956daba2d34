"""HTTP to one container over connections that are kept and used again.

Our own because the event loop is shared with the whole server: of it httpcore takes several times as long per request.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from relook.containers.serving.connection import ConnectFailed, Connection, Head, HttpError, Lost, Request, TookTooLong

Connect = Callable[[float], socket.socket]
"""A connected socket, in at most so many seconds; blocks; OSError."""
_KEPT = 64
"""Idle connections; more are closed after their answer."""
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    head: Head
    body: bytes


class Parts(AsyncIterator[bytes]):
    """A body as it arrives; HttpError where it breaks off. `aclose` it when the rest is not wanted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __anext__(self) -> bytes:
        part = await self._connection.part()
        if not part:
            raise StopAsyncIteration
        return part

    def when_ended(self, call: Callable[[], None]) -> None:
        """Have `call` called once, when all has come or nothing more will, whether or not it is read."""
        self._connection.when_ended(call)

    async def aclose(self) -> None:
        self._connection.abort(Lost("the rest was not wanted"))


class Client:
    """Used on one event loop; blocking work goes to `executor`. `deadline` is always in that loop's time.

    A request that finds its kept connection closed, nothing of an answer having come, is sent once more.
    """

    def __init__(self, connect: Connect, executor: Executor) -> None:
        self._loop = asyncio.get_running_loop()
        self._dial = connect
        self._executor = executor
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed: HttpError | None = None

    async def ask(self, request: Request, largest: int, deadline: float) -> Answer:
        """A whole answer of at most `largest` bytes. HttpError; ValueError for a header that is none."""
        connection, head = await self._send(request, largest, deadline, streamed=False)
        body = connection.rest()
        if connection.usable:
            self._keep(connection)
        return Answer(head, body)

    async def stream(self, request: Request, largest: int, deadline: float) -> tuple[Head, Parts]:
        """The same part by part."""
        connection, head = await self._send(request, largest, deadline, streamed=True)
        return head, Parts(connection)

    def close(self, error: HttpError) -> None:
        """End every connection: whoever waits for an answer gets `error`, and who asks from now on ConnectFailed."""
        self._closed = error
        self._idle.clear()
        for connection in list(self._open):
            connection.abort(error)

    async def _send(
        self, request: Request, largest: int, deadline: float, *, streamed: bool
    ) -> tuple[Connection, Head]:
        kept, lost = self._kept(), None
        while True:
            try:
                connection = kept or await self._connect(deadline)
            except ConnectFailed:
                if lost is not None:  # it may well have seen the request, and be gone because of it
                    raise lost from None
                raise
            try:
                connection.send(request, largest, deadline, streamed=streamed)
                return connection, await connection.head()
            except Lost as error:
                if kept is None or connection.heard or self._closed is not None:
                    raise
                kept, lost = None, error  # the container had closed it, as a rule before our request came
            except BaseException:
                connection.abort(Lost("its answer was not waited for"))
                raise

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if len(self._idle) < _KEPT and self._closed is None:
            self._idle.append(connection)
        else:
            connection.abort(Lost("it was not wanted any more"))

    async def _connect(self, deadline: float) -> Connection:
        if self._closed is not None:
            raise ConnectFailed(str(self._closed))
        seconds = min(_CONNECT_SECONDS, deadline - self._loop.time())
        if seconds <= 0:
            raise TookTooLong("it did not answer in time")
        dialled = self._loop.run_in_executor(self._executor, self._dialled, seconds)
        try:
            link = await asyncio.shield(dialled)
        except asyncio.CancelledError:
            dialled.add_done_callback(_hang_up)
            raise
        except OSError as error:
            raise ConnectFailed(f"no connection to it: {error}") from error
        _, connection = await self._loop.create_connection(lambda: Connection(self._open.discard), sock=link)
        self._open.add(connection)
        if self._closed is not None:
            connection.abort(self._closed)
        return connection

    def _dialled(self, seconds: float) -> socket.socket:
        link = self._dial(seconds)
        link.setblocking(False)
        if link.family in (socket.AF_INET, socket.AF_INET6):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link


def _hang_up(dialled: asyncio.Future[socket.socket]) -> None:
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().close()
