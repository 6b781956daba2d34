"""A container image out of this very Python: FROM scratch, with only the files that the program in it loads.

`serve` answers /ping, /invocations (gives the body back) and /run (runs the Python it is sent, and answers what that
left in `answer`, as JSON; /invocations too where the content type says text/x-python). `run CODE` runs Python and ends.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile

from docker.api.client import APIClient

from relook.containers.engine.client import ERRORS, reason

IMAGE = "relook.test/program:1"
LABELS = {"com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true"}
BAKED = {"BAKED": "into the image"}
PROGRAM = """
import encodings.idna, fcntl, http.server, json, os, resource, signal, socket, subprocess, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"", 200 if self.path == "/ping" else 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/run" or self.headers["Content-Type"] == "text/x-python":
            names = dict(globals())
            exec(body, names)
            body = json.dumps(names["answer"]).encode()
        self.answer(body)

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

if sys.argv[1] == "run":
    exec(sys.argv[2])
elif sys.argv[1] == "serve":
    server = http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))), Handler)
    print("listening", *sys.argv[1:], flush=True)
    server.serve_forever()
else:
    sys.exit(f"neither serve nor run: {sys.argv[1:]}")
"""
PYTHON = os.path.realpath(sys.executable)
ENTRYPOINT = (PYTHON, "-I", "-S", "-B", "/program.py")


class CannotBuild(Exception):
    """No container of this image can be run here; says why."""


def build(client: APIClient) -> str:
    """Build it and return its name. A few seconds."""
    quoted = ", ".join(f'"{each}"' for each in ENTRYPOINT)
    lines = ["FROM scratch", "ADD files.tar /", f"ENTRYPOINT [{quoted}]", 'CMD ["neither"]']
    lines += [f'ENV {name}="{value}"' for name, value in BAKED.items()]
    lines += [f'LABEL {name}="{value}"' for name, value in LABELS.items()]
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        _add(tar, "Dockerfile", "\n".join(lines).encode())
        _add(tar, "files.tar", _files())
    context.seek(0)
    for step in client.build(fileobj=context, custom_context=True, tag=IMAGE, decode=True, rm=True):
        if "error" in step:
            raise CannotBuild(f"the image for tests cannot be built: {step['error']}")
    return IMAGE


def prove(client: APIClient) -> None:
    """Raises CannotBuild where this engine cannot run it at all, whatever it is asked for."""
    try:
        identity = client.create_container(IMAGE, ["run", "pass"], host_config=client.create_host_config())["Id"]
        client.start(identity)
        status = client.wait(identity)["StatusCode"]
        client.remove_container(identity, force=True)
    except ERRORS as error:
        raise CannotBuild(f"containers do not run here: {reason(error)}") from error
    if status != 0:
        raise CannotBuild(f"containers do not run here: the simplest one ended with {status}")


def _files() -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w", dereference=True) as tar:
        _add(tar, "program.py", PROGRAM.encode())
        for each in _needed():
            tar.add(each)
    return found.getvalue()


def _needed() -> list[str]:
    """The interpreter, the modules that the program imports, and the libraries that any of these is linked to."""
    imports = PROGRAM.split("\n")[1] + ", ctypes, unicodedata, traceback"
    script = f"{imports}\nfor each in list(sys.modules.values()): print(getattr(each, '__file__', None) or '')"
    ran = subprocess.run([PYTHON, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    modules = sorted({line for line in ran.stdout.splitlines() if line})
    binaries = [PYTHON, *(each for each in modules if each.endswith(".so"))]
    linked = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=True).stdout
    return [PYTHON, *modules, *sorted(set(re.findall(r"(/\S+) \(0x", linked)))]


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    tar.addfile(entry, io.BytesIO(content))
