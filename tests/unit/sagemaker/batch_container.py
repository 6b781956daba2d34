"""What the transform tests run as a container: an HTTP server whose answers depend on the body. Standard library only.

Prints its port first, then a line for each request.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("MODE", "echo")
DELAY = float(os.environ.get("DELAY", "0"))
PARAMETERS = os.environ.get("PARAMETERS")
LOCK = threading.Lock()
SEEN: set[bytes] = set()
AT_ONCE = {"now": 0, "most": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self) -> None:
        if self.path == "/ping":
            self.answer(200, b"")
        elif self.path == "/execution-parameters" and PARAMETERS:
            self.answer(200, PARAMETERS.encode(), "application/json")
        else:
            self.answer(404, b"")

    def do_POST(self) -> None:
        body = self.body()
        with LOCK:
            AT_ONCE["now"] += 1
            AT_ONCE["most"] = max(AT_ONCE["most"], AT_ONCE["now"])
            first = body not in SEEN
            SEEN.add(body)
            print(f"asked {len(body)} bytes: {body[:40]!r}", flush=True)
        time.sleep(DELAY)
        with LOCK:
            AT_ONCE["now"] -= 1
        self.reply(body, first)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def reply(self, body: bytes, first: bool) -> None:
        if b"exit" in body and first:
            os._exit(3)
        if b"die" in body:
            os._exit(3)
        if b"flaky" in body and first:
            return self.answer(503, b"try again")
        if b"bad" in body:
            return self.answer(400, b"I cannot read this")
        if b"broken" in body:
            return self.answer(500, b"Traceback: it is broken")
        return self.answered(body)

    def answered(self, body: bytes) -> None:
        kind = self.headers.get("Content-Type") or "application/octet-stream"
        if MODE == "environment":
            self.answer(200, json.dumps({**os.environ, "most": AT_ONCE["most"]}).encode(), "application/json")
        elif MODE == "headers":
            self.answer(200, json.dumps(dict(self.headers.items())).encode(), "application/json")
        elif MODE == "lines":
            lines = [json.dumps({"length": len(line)}) for line in body.decode().splitlines()]
            self.answer(200, "".join(line + "\n" for line in lines).encode(), "application/jsonlines")
        elif MODE == "csv":
            lines = [str(line.count(",") + 1) for line in body.decode().splitlines()]
            self.answer(200, "".join(line + "\n" for line in lines).encode(), "text/csv")
        else:
            self.answer(200, b"<" + body + b">", kind)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
    sys.exit(0)
