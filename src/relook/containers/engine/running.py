"""One container of the engine: its output, its end, and the way in."""

from __future__ import annotations

import logging
import os
import socket
import threading
import weakref
from typing import TypeAlias

from docker.errors import APIError, NotFound
from docker.types.daemon import CancellableStream

from relook.containers.api import PORT, STOP_SECONDS, CannotRun, EngineFailed, LogSink
from relook.containers.engine.client import ERRORS, Client, failures
from relook.containers.lines import Lines
from relook.containers.netns import NetworkNamespace

Output: TypeAlias = "CancellableStream[tuple[bytes | None, bytes | None]]"
KILLED = 128 + 9
NOT_ISOLATED = "network isolation was asked for, and this container engine did not grant it"
_AGAIN_SECONDS = 1.0
"""Between two tries to reach an engine that has gone away."""
_READ_SECONDS = 10.0
"""For the rest of the output once the process has ended."""
_KILL_SECONDS = 30.0
"""For an end after SIGKILL: a process that writes to a slow disk cannot be killed at once."""
_BROKEN = "(the connection to the container engine broke; lines may be missing here)"
_logger = logging.getLogger(__name__)


class EngineContainer:
    """A container that was started. It is removed as soon as it ends, by a thread that waits for that."""

    def __init__(self, client: Client, name: str, identity: str, output: Output, log: LogSink) -> None:
        self._client = client
        self._name = name
        self._identity = identity
        self._log = log
        self._ended = threading.Event()
        self._status = KILLED
        self._killed = False
        self._inside: NetworkNamespace | None = None
        self._outside: dict[int, int] = {}
        self._reader = self._read(output)
        threading.Thread(target=self._watch, name=f"watch {name}", daemon=True).start()

    @property
    def name(self) -> str:
        return self._name

    def reach(self, isolated: bool, serves: bool) -> None:
        """Find the way in, once it runs. ContainerError where isolation does not hold or hides a server from us."""
        with failures(f"describe the container {self._name}"):
            try:
                state = self._client.inspect_container(self._identity)
            except NotFound:  # ended already; who waits for it will be told
                return
        if not isolated:
            ports = state["NetworkSettings"]["Ports"] or {}
            self._outside = {
                int(port.split("/")[0]): int(found[0]["HostPort"]) for port, found in ports.items() if found
            }
        elif state["State"]["Running"]:
            self._enter(state["State"]["Pid"], serves)

    def _enter(self, pid: int, serves: bool) -> None:
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
                raise CannotRun(NOT_ISOLATED)
            self._inside = NetworkNamespace.of(pid)
            # Closed with the last reference to this container, when nobody can be connecting any more.
            weakref.finalize(self, self._inside.close)
            self._inside.connect(PORT).close()
        except FileNotFoundError as error:
            if serves and not self._ended.wait(_AGAIN_SECONDS):
                text = (
                    "its processes are not to be seen from here: run Relook on the machine itself, not in a container"
                )
                raise CannotRun(f"an isolated container cannot be reached: {text}") from error
        except PermissionError as error:
            if serves:
                text = "run Relook as root (it needs CAP_SYS_ADMIN), or ask for no network isolation"
                raise CannotRun(f"an isolated container cannot be reached by this user: {text}") from error
        except OSError:  # nobody listens yet
            pass

    def connect(self, port: int = PORT, timeout: float = 2.0) -> socket.socket:
        """See `api.Container`. Without isolation only the port that was published can be reached."""
        if self._ended.is_set():
            raise ConnectionRefusedError(f"{self._name} has ended")
        if self._inside is not None:
            return self._inside.connect(port, timeout)
        if port not in self._outside:
            raise ConnectionRefusedError(f"port {port} of {self._name} is not published")
        connection = socket.create_connection(("127.0.0.1", self._outside[port]), timeout)
        connection.settimeout(None)
        return connection

    def wait(self, timeout: float | None = None) -> int | None:
        """See `api.Container`."""
        return self._status if self._ended.wait(timeout) else None

    def stop(self, grace: float = STOP_SECONDS) -> int:
        """See `api.Container`. EngineFailed where the engine cannot be told, or the process cannot be killed."""
        for signal, seconds in (("SIGTERM", grace), ("SIGKILL", _KILL_SECONDS)):
            if not self._ended.is_set():
                self._killed = signal == "SIGKILL"
                self._signal(signal)
            if self._ended.wait(seconds):
                return self._status
        raise EngineFailed(f"{self._name} was killed but has not ended")

    def _signal(self, signal: str) -> None:
        with failures(f"send {signal} to {self._name}"):
            try:
                self._client.kill(self._identity, signal)
            except APIError:
                if self._runs():
                    raise

    def _runs(self) -> bool:
        try:
            return bool(self._client.inspect_container(self._identity)["State"]["Running"])
        except NotFound:
            return False

    def _watch(self) -> None:
        try:
            while (status := self._waited()) is None:
                self._pause()
                while not self._client.answers():
                    self._pause()
                self._read_again()
            self._reader.join(_READ_SECONDS)
            if self._reader.is_alive():
                _logger.warning("%s has ended, but not its output", self._name)
            self._status = self._remove(status)
        finally:
            self._ended.set()

    def _waited(self) -> int | None:
        """The exit status; None when the engine went away before that."""
        try:
            return int(self._client.wait(self._identity, timeout=None)["StatusCode"])
        except NotFound:  # removed by someone else, and so killed
            return KILLED
        except ERRORS as error:
            _logger.warning("waiting for %s: %s", self._name, error)
            return None

    def _pause(self) -> None:
        self._ended.wait(_AGAIN_SECONDS)  # nobody sets it but the thread that is here

    def _read_again(self) -> None:
        """What reads still, if anything does, ends with the engine that went away."""
        try:
            output = self._client.attach(self._identity, stream=True, demux=True)
        except ERRORS:
            return  # not back yet, or the container has ended: `_waited` will tell
        self._log(_BROKEN)
        self._reader = self._read(output)

    def _remove(self, status: int) -> int:
        """Gives the status, put right where the engine's word on it is worth nothing."""
        try:
            state = self._client.inspect_container(self._identity)["State"]
            if state.get("OOMKilled"):
                self._log("(killed: out of memory)")
            elif status == KILLED and not self._killed:
                self._log("(killed: out of memory?)")  # the only one who kills, as a rule, beside us
            self._client.remove_container(self._identity, v=True, force=True)
        except NotFound:  # removed by someone else, and so killed; Podman says 0
            return KILLED
        except ERRORS as error:
            _logger.warning("%s has ended and cannot be removed: %s", self._name, error)
        return status

    def _read(self, output: Output) -> threading.Thread:
        thread = threading.Thread(target=_hand_on, args=(output, self._log), name=f"log {self._name}", daemon=True)
        thread.start()
        return thread


def _hand_on(output: Output, log: LogSink) -> None:
    out, error = Lines(log), Lines(log)
    try:
        for piece, wrong in output:
            if piece:
                out.feed(piece)
            if wrong:
                error.feed(wrong)
        out.close()
        error.close()
    finally:
        release(output)


def release(output: Output) -> None:
    """Close the connection. The stream's own `close` only shuts it down, and leaves the rest to chance."""
    output._response.close()  # type: ignore[attr-defined]  # the stubs leave it out
