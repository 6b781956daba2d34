"""One HTTP/1.1 connection to a container: a request at a time, the answer bounded and read as fast as it is wanted.

HttpError
 +-- ConnectFailed  nobody listens, or not yet
 +-- Lost           the connection broke, or what came was not HTTP
 +-- TookTooLong    the answer was not whole in time
 +-- TooLarge       the answer's body is larger than allowed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import httptools

LARGEST_HEAD = 64 * 1024
"""Bytes of an answer's head, and of anything else that is not its body."""
_CHUNK = 256 * 1024
"""Bytes of a body that is sent in chunks."""
_HIGH_WATER = 256 * 1024
"""Bytes of a streamed answer that wait to be taken before reading pauses."""


class HttpError(Exception):
    """The request was not answered."""


class ConnectFailed(HttpError):
    """No connection could be made."""


class Lost(HttpError):
    """The connection broke, or what came was not HTTP."""


class TookTooLong(HttpError):
    """The answer was not whole in time."""


class TooLarge(HttpError):
    """The answer's body is larger than allowed."""


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` go out as they are, with Host and Content-Length added; ValueError for a line break in one.

    With `chunked` the body goes out in chunks, and its length is not told.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunked: bool = False

    def head(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.body or self.method == "POST":
            lines.append(f"Content-Length: {len(self.body)}")
        if any("\r" in line or "\n" in line or "\0" in line for line in lines):
            raise ValueError("a header's value must not hold a line break")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def parts(self) -> Iterator[bytes | memoryview]:
        """The body as it is sent."""
        if not self.chunked:
            yield self.body
            return
        view = memoryview(self.body)
        for at in range(0, len(view), _CHUNK):
            chunk = view[at : at + _CHUNK]
            yield from (b"%x\r\n" % len(chunk), chunk, b"\r\n")
        yield b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Head:
    """An answer's status and headers, names in lower case."""

    status: int
    headers: Mapping[str, str]

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300


class Connection(asyncio.Protocol):
    """Made by the event loop; used by one task at a time: `send`, `head`, then `rest` or `part` until b"".

    One that has streamed an answer is closed after it. `on_lost` is called once, when the connection is gone.
    """

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._on_end: Callable[[], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: HttpError | None = None
        self._asked = False
        self._done = True
        self._paused = False
        self._clean()

    def _clean(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._head: Head | None = None
        self._body = bytearray()
        self._received = 0
        self._beside = 0
        self._largest = 0
        self._streamed = False
        self.heard = False
        """Whether anything of the answer has come."""

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._done and self._error is None and self._transport is not None

    def send(self, request: Request, largest: int, deadline: float, *, streamed: bool = False) -> None:
        """Ask. The body may have `largest` bytes; at the loop's time `deadline` all must have come. ValueError."""
        assert self._transport is not None
        head = request.head()
        self._clean()
        self._largest, self._streamed = largest, streamed
        self._asked, self._done = True, False
        self._timer = self._loop.call_at(deadline, self.abort, TookTooLong("it did not answer in time"))
        self._transport.writelines([head, *request.parts()])

    async def head(self) -> Head:
        """Once the head has come, or with an answer that is not streamed, all of it. HttpError."""
        while self._error is None and not (self._done or (self._streamed and self._head is not None)):
            await self._wait()
        if self._error is not None and not self._done:
            raise self._error
        assert self._head is not None
        return self._head

    def rest(self) -> bytes:
        """The body of an answer that is not streamed."""
        assert self._done
        return bytes(self._body)

    async def part(self) -> bytes:
        """The next bytes of a streamed body; b"" at its end. HttpError."""
        while not self._body and not self._done and self._error is None:
            await self._wait()
        if self._body:
            found = bytes(self._body)
            self._body.clear()
            if self._paused and self._transport is not None and self._error is None:
                self._paused = False
                self._transport.resume_reading()
            return found
        if not self._done and self._error is not None:
            raise self._error
        return b""

    def when_ended(self, call: Callable[[], None]) -> None:
        """Have `call` called once, when all of the answer has come or nothing more will; now, where that is so."""
        if self._timer is None:
            call()
        else:
            self._on_end = call

    def abort(self, error: HttpError) -> None:
        """Break it off; whoever waits gets `error`."""
        self._fail(error)
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: HttpError) -> None:
        self._error = self._error or error
        self._ended()

    def _ended(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            self.abort(Lost("it sent what nobody asked for"))
            return
        self.heard = True
        self._beside += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.abort(Lost(f"what it sent is not HTTP: {error}"))
            return
        if self._beside > LARGEST_HEAD and not self._done:
            self.abort(Lost(f"its answer has a head of more than {LARGEST_HEAD} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asked and self._head is not None and not self._done and exc is None and self._until_end:
            self._finish()
        why = "it closed the connection" + (" in the middle of its answer" if self.heard else " without an answer")
        self._fail(Lost(why if exc is None else f"{why}: {exc}"))
        self._transport = None
        self._on_lost(self)

    @property
    def _until_end(self) -> bool:
        """Whether the body goes on until the connection is closed."""
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        return not framed and self._parser.get_status_code() not in (204, 304)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._done:
            self.abort(Lost("it sent more than one answer"))

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if self._head is None:  # else a trailer, which nobody reads
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._done:
            return
        if status < 200:  # 100 Continue, and its like: the answer is still to come
            self._headers = {}
            return
        self._head = Head(status, self._headers)
        self._beside = 0
        length = self._headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._largest:
            self._too_large()
        elif self._streamed:
            self._wake()

    def on_body(self, data: bytes) -> None:
        self._received += len(data)
        self._beside = 0
        if self._error is not None or self._done:
            return
        if self._received > self._largest:
            self._too_large()
            return
        self._body += data
        if self._streamed:
            if len(self._body) > _HIGH_WATER and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            self._wake()

    def on_message_complete(self) -> None:
        if self._head is not None and self._error is None and not self._done:
            self._finish()

    def _too_large(self) -> None:
        self.abort(TooLarge(f"its answer is larger than {self._largest} bytes"))

    def _finish(self) -> None:
        self._done, self._asked = True, False
        self._ended()
        if self._transport is None:
            return
        unread = self._transport.get_write_buffer_size() > 0
        if self._streamed or self._until_end or unread or not self._parser.should_keep_alive():
            self._error = Lost("it does not take another request")
            self._transport.abort() if unread else self._transport.close()
