"""What runs in the tests' containers: a real HTTP server with the paths of the serving contract. Standard library only.

The environment tells how it starts, X-Amzn-SageMaker-Custom-Attributes what it does with an invocation.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORTS = Path(os.environ["TEST_PORTS"])
MOUNTS: dict[str, str] = json.loads(os.environ["TEST_MOUNTS"])
PORT = os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")
START = os.environ.get("START", "")
ROOM = int(os.environ.get("ROOM", "0"))
NEVER, PINGED = threading.Event(), threading.Event()
LOCK = threading.Lock()
LOADED: dict[str, str] = {}
LOADS: list[str] = []
COUNTS = {"connections": 0, "invocations": 0}


def seen(path: str) -> Path:
    """A path inside, as this machine has it."""
    for target, source in MOUNTS.items():
        if path == target or path.startswith(target + "/"):
            return Path(source + path.removeprefix(target))
    raise FileNotFoundError(path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        with LOCK:
            COUNTS["connections"] += 1

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def json(self, value: object, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        if self.path == "/ping":
            if START == "mute" or (START == "tiring" and PINGED.is_set()):
                NEVER.wait()
            PINGED.set()
            self.answer(503 if START in ("sick", "tiring") or Path(PORTS, "sick").exists() else 200, b"")
        elif self.path == "/execution-parameters" and START == "batch":
            self.json({"MaxConcurrentTransforms": 4, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6})
        else:
            self.answer(404, b"no such path")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/invocations":
            self.invocation(body)
        elif self.path == "/models":
            self.load(json.loads(body))
        else:
            self.ask_model(self.path.split("/")[2], body)

    def do_DELETE(self) -> None:
        with LOCK:
            gone = LOADED.pop(self.path.split("/")[2], None)
        self.answer(200 if gone else 404, b"")

    # Several models.

    def load(self, said: dict[str, str]) -> None:
        name = said["model_name"]
        value = (seen(said["url"]) / "value.txt").read_text()
        with LOCK:
            if name in LOADED:
                return self.answer(409, b"")
            if len(LOADED) >= ROOM:
                return self.answer(507, b"out of memory")
            if value == "broken":
                return self.answer(500, b"this model is broken")
            LOADED[name] = value
            LOADS.append(value)
        if value == "slow":
            Path(PORTS, "loading").touch()
            while not Path(PORTS, "go").exists():
                time.sleep(0.01)
        return self.answer(200, b"")

    def ask_model(self, name: str, body: bytes) -> None:
        with LOCK:
            value = LOADED.get(name)
            state = {"value": value, "loads": list(LOADS), "loaded": sorted(LOADED.values())}
        target = self.headers["X-Amzn-SageMaker-Target-Model"]
        self.json({**state, "name": name, "target": target, "body": body.decode()}, 200 if value else 404)

    # One model.

    def invocation(self, body: bytes) -> None:
        with LOCK:
            COUNTS["invocations"] += 1
        what, _, argument = (self.headers.get("X-Amzn-SageMaker-Custom-Attributes") or "echo").partition("=")
        do = getattr(self, f"do_{what}", None)
        if do is None:
            kind = self.headers.get("Content-Type") or "text/plain"
            self.answer(200, body, Content_Type=kind, X_Amzn_SageMaker_Custom_Attributes="done")
        else:
            do(argument, body)

    def do_tell(self, argument: str, body: bytes) -> None:
        self.json({"headers": dict(self.headers.items()), "environment": dict(os.environ), **COUNTS})

    def do_add(self, argument: str, body: bytes) -> None:
        """For pipelines: the body, with who did it and what it was asked with."""
        said = f"{body.decode()}>{os.environ['NAME']}:{self.headers['Content-Type']}:{self.headers['Accept']}"
        self.answer(200, said.encode(), Content_Type=f"text/{os.environ['NAME']}")

    def do_status(self, argument: str, body: bytes) -> None:
        """`status=500`, or `status=500@b` for the container with the NAME b alone."""
        status, _, who = argument.partition("@")
        if who and who != os.environ["NAME"]:
            return self.do_add("", body)
        return self.answer(int(status), b"what went wrong", Content_Type="text/plain")

    def do_session(self, argument: str, body: bytes) -> None:
        asked = self.headers["X-Amzn-SageMaker-Session-Id"]
        opened = {"X_Amzn_SageMaker_New_Session_Id": "abc; Expires=2030-01-01T00:00:00Z"}
        self.answer(200, asked.encode(), **(opened if asked == "NEW_SESSION" else {}), X_Other="kept from the caller")

    def do_file(self, argument: str, body: bytes) -> None:
        self.answer(200, seen(argument).read_bytes())

    def do_hang(self, argument: str, body: bytes) -> None:
        """Never answered; what hangs so far is one file each."""
        Path(PORTS, f"hanging-{threading.get_ident()}").touch()
        NEVER.wait()

    def do_die(self, argument: str, body: bytes) -> None:
        print("going down", flush=True)
        os._exit(7)

    def do_sized(self, argument: str, body: bytes) -> None:
        """An answer that says how large it is, and then comes slowly, if at all."""
        self.send_response(200)
        self.send_header("Content-Length", argument)
        self.end_headers()
        self.pour(int(argument))

    def do_chunks(self, argument: str, body: bytes) -> None:
        """So many bytes in chunks; the file `sent` tells how many were taken by the other side."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left, piece = int(argument), b"\0" * 65536
        sent = 0
        try:
            while left > 0:
                part = piece[: min(left, len(piece))]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                left -= len(part)
                sent += len(part)
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        Path(PORTS, "sent").write_text(str(sent))

    def do_unsized(self, argument: str, body: bytes) -> None:
        """A body that ends with the connection."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.pour(int(argument))

    def do_raw(self, argument: str, body: bytes) -> None:
        """The body, byte for byte, in place of an answer."""
        self.close_connection = True
        self.wfile.write(body)

    def do_once(self, argument: str, body: bytes) -> None:
        """Answer, and then close without having said so."""
        self.answer(200, body)
        self.close_connection = True

    def pour(self, size: int) -> None:
        piece = b"\0" * 65536
        try:
            while size > 0:
                self.wfile.write(piece[: min(size, len(piece))])
                size -= len(piece)
        except OSError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    print("starting", os.environ.get("NAME", ""), flush=True)
    if START == "exit":
        print("cannot import the model's code", flush=True)
        sys.exit(3)
    if START == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = Server(("127.0.0.1", 0), Handler)
    temporary = PORTS / f"{PORT}.tmp"
    temporary.write_text(str(server.server_address[1]))
    temporary.rename(PORTS / PORT)
    server.serve_forever()


if __name__ == "__main__":
    main()
