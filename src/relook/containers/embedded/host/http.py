"""HTTP/1.1 on one connected socket: requests in, answers out, one after another."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

import httptools

_PIECE = 256 * 1024
_IN_ONE = 64 * 1024
"""A body up to this size is sent together with the head."""
_DRAIN_SECONDS = 2.0
"""For a client that still sends what was refused: it reads our answer only when it is done."""


class BodyTooLarge(Exception):
    """The request's body is larger than this server takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` decoded and without the query; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """`pieces` take the body's place where they are given, and are sent one by one, as they are made."""

    status: int = 200
    body: bytes = b""
    pieces: Iterable[bytes] | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    phrase: str | None = None


class Connection:
    """Serves one client until it leaves. `largest` body in bytes."""

    def __init__(self, link: socket.socket, largest: int) -> None:
        self._link = link
        self._largest = largest
        self._complete: list[tuple[Request, bool]] = []
        self._parser = httptools.HttpRequestParser(self)

    def serve(self, answer: Callable[[Request], AbstractContextManager[Response]], keep: Callable[[], bool]) -> None:
        """Returns when the client has left, or `keep` says after an answer to go no further. OSError.

        What `answer` gives is left when the response has been sent.
        """
        while data := self._link.recv(_PIECE):
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                reason = error.__context__
                status = 413 if isinstance(reason, BodyTooLarge) else 400
                self._send(Response(status, str(reason or error).encode(), content_type="text/plain"), again=False)
                self._drain()
                return
            while self._complete:
                request, again = self._complete.pop(0)
                with answer(request) as response:
                    again = again and keep()
                    self._send(response, again)
                if not again:
                    return

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        length = self._headers.get("content-length", "0")
        self._check(int(length) if length.isdecimal() else 0)
        if self._headers.get("expect", "").lower() == "100-continue":
            self._link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._check(len(self._body) + len(body))
        self._body += body

    def on_message_complete(self) -> None:
        url = httptools.parse_url(self._url)
        query = (url.query or b"").decode("latin-1")
        method = self._parser.get_method().decode("ascii")
        path = unquote(url.path.decode("latin-1"))
        again = bool(self._parser.should_keep_alive())  # it has forgotten after this call
        self._complete.append((Request(method, path, query, self._headers, bytes(self._body)), again))

    def _check(self, size: int) -> None:
        if size > self._largest:
            raise BodyTooLarge(f"the request's body is larger than {self._largest} bytes (SAGEMAKER_MAX_PAYLOAD_IN_MB)")

    # Answers.

    def _send(self, response: Response, again: bool) -> None:
        head = _head(response, again)
        if response.pieces is not None:
            self._link.sendall(head)
            for piece in response.pieces:
                if piece:
                    self._link.sendall(b"".join((f"{len(piece):x}\r\n".encode(), piece, b"\r\n")))
            self._link.sendall(b"0\r\n\r\n")
        elif len(response.body) <= _IN_ONE:
            self._link.sendall(head + response.body)
        else:
            self._link.sendall(head)
            self._link.sendall(response.body)

    def _drain(self) -> None:
        self._link.shutdown(socket.SHUT_WR)
        self._link.settimeout(_DRAIN_SECONDS)
        with suppress(TimeoutError):
            while self._link.recv(_PIECE):
                pass


def _head(response: Response, again: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {response.phrase or _phrase(response.status)}"]
    if response.content_type:
        lines.append(f"Content-Type: {response.content_type}")
    chunked = response.pieces is not None
    lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(response.body)}")
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if not again:
        lines.append("Connection: close")
    # A handler may put anything into a header or phrase; a line end would begin another one.
    safe = (line.replace("\r", " ").replace("\n", " ") for line in lines)
    return "\r\n".join((*safe, "", "")).encode("latin-1", "replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
