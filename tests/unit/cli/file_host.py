"""A real HTTP server on the loopback that hands out one file, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileHost:
    """`ranges` and `paths` hold what was asked for, in order."""

    content: bytes
    cut: int | None = None
    """Close the connection after so many bytes of the whole file."""
    stall: int | None = None
    """Send nothing more after so many bytes, until `released`."""
    status: int = 200
    location: str = ""
    tagged: bool = True
    sized: bool = True
    port: int = 0
    ranges: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/model.safetensors"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.ranges.append(handler.headers["Range"])
        self.paths.append(handler.path)
        if self.location and handler.path.endswith("/model.safetensors"):
            handler.send_response(302)
            handler.send_header("Location", self.location)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif self.status != 200:
            handler.send_error(self.status)
        else:
            self._send(handler)

    def _send(self, handler: BaseHTTPRequestHandler) -> None:
        tag, start = f'"{hashlib.md5(self.content).hexdigest()}"', 0
        if handler.headers["Range"] and handler.headers["If-Range"] == tag:
            start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start >= len(self.content) > 0:
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.tagged:
            handler.send_header("ETag", tag)
        if self.sized:
            handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        stop = next((at for at in (self.cut, self.stall) if at is not None), len(self.content))
        handler.wfile.write(self.content[start:stop])
        handler.wfile.flush()
        if self.stall is not None:
            self.stalled.set()
            self.released.wait(60)


@contextmanager
def serving(content: bytes) -> Iterator[FileHost]:
    """The server in threads of its own, for the block."""
    host = FileHost(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # clients that give up are what some tests are about
                host.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Tests read `paths` instead."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield host
        finally:
            host.released.set()
            server.shutdown()
            thread.join()
