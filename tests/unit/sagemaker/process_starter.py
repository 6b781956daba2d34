"""A tiny real thing behind the serving seam: each instance is a process that speaks HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

from relook.containers.serving.api import (
    AnswerTooLarge,
    ContainerGone,
    ExecutionParameters,
    Invocation,
    Launch,
    LogSink,
    Reply,
    StartFailed,
    StreamedReply,
    Unreachable,
)

_SERVER = """
import json, os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

gate = threading.Event()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        word, _, rest = body.decode("utf-8", "replace").partition(":")
        status, answer = 200, body
        if word == "exit":
            os._exit(int(rest))
        if word == "late":
            time.sleep(float(rest))
            os._exit(3)
        if word == "who":
            answer = (os.environ["WHO"] + " " + str(os.getpid())).encode()
        if word == "hold":
            print("holding", flush=True)
            gate.wait(60)
        if word == "open":
            gate.set()
        if word == "status":
            code, _, text = rest.partition(":")
            status, answer = int(code), text.encode()
        if word == "headers":
            answer = json.dumps(dict(self.headers)).encode()
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept") or "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Answered-By", os.environ["WHO"])
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class ProcessInstance:
    """One process, one container."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, pump: asyncio.Task[None]) -> None:
        self.process = process
        self.in_flight = 0
        self._port = port
        self._pump = pump

    @property
    def healthy(self) -> bool:
        return self.process.returncode is None

    async def invoke(self, invocation: Invocation) -> Reply:
        self.in_flight += 1
        try:
            async with asyncio.timeout(invocation.timeout):
                status, headers, body = await self._post(invocation)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ContainerGone(f"container primary gave no answer: {error!r}") from error
        finally:
            self.in_flight -= 1
        if len(body) > invocation.largest_answer:
            raise AnswerTooLarge("the answer is too large")
        return Reply(status, body, headers.get("content-type"), invocation.custom_attributes, "1")

    async def invoke_streamed(self, invocation: Invocation) -> StreamedReply:
        reply = await self.invoke(invocation)

        async def parts() -> AsyncIterator[bytes]:
            for at in range(0, len(reply.body), 4):
                yield reply.body[at : at + 4]
            if reply.body.endswith(b"break"):
                raise ContainerGone("the container closed the connection")

        return StreamedReply(reply.status, parts(), reply.content_type, reply.custom_attributes, reply.container)

    async def execution_parameters(self) -> ExecutionParameters:
        return ExecutionParameters()

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._pump

    async def _post(self, invocation: Invocation) -> tuple[int, dict[str, str], bytes]:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except ConnectionError as error:  # it has ended, which `process` may not have been told yet
            raise Unreachable(f"container primary gave no answer: {error!r}") from error
        try:
            accept = f"Accept: {invocation.accept}\r\n" if invocation.accept else ""
            head = f"POST /invocations HTTP/1.1\r\nHost: c\r\n{accept}Content-Length: {len(invocation.body)}\r\n\r\n"
            writer.write(head.encode() + invocation.body)
            await writer.drain()
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in lines[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
            return int(lines[0].split()[1]), headers, body
        finally:
            writer.close()


class ProcessStarter:
    """Models are told apart by their environment: WHO, and FAULT for one that cannot start. `gate` holds up starts."""

    def __init__(self) -> None:
        self.launched: list[Launch] = []
        self.instances: list[ProcessInstance] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.faults = 0

    async def start(self, launch: Launch, log: LogSink) -> ProcessInstance:
        self.launched.append(launch)
        await self.gate.wait()
        environment = launch.model.containers[0].environment
        if "FAULT" in environment:
            self.faults += 1
            raise StartFailed(environment["FAULT"])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            "-c",
            _SERVER,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "WHO": environment.get("WHO", "?")},
        )
        assert process.stdout is not None
        try:
            port = int(await process.stdout.readline())
        except asyncio.CancelledError:  # a fleet that is closed while it starts
            process.kill()
            await process.wait()
            raise
        instance = ProcessInstance(process, port, asyncio.create_task(_pump(process.stdout, log)))
        self.instances.append(instance)
        return instance

    @property
    def running(self) -> list[ProcessInstance]:
        return [each for each in self.instances if each.healthy]


async def _pump(output: asyncio.StreamReader, log: LogSink) -> None:
    while line := await output.readline():
        log("1", line.decode().rstrip())
