"""The server's view of one inference unit: its process, its socket, its last words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, cast

from relook import processes
from relook.fleet.frames import HEADER, FrameError, FrameKind, FrameStart, encode, parse_head, parse_start
from relook.fleet.output import OutputLog
from relook.fleet.settings import FleetSettings

_log = logging.getLogger(__name__)
_SOCKET_BUFFER = 4 << 20
"""Bytes; the kernel gives less where its limit is lower. A whole image in it saves the event loop many wake-ups."""


class UnitState(Enum):
    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    ENDING = auto()
    """Told to end, or killed: takes no request."""
    ENDED = auto()


class UnitOwner(Protocol):
    """Who hears of what a unit does; called on the event loop."""

    def unit_ready(self, unit: UnitProcess) -> None: ...

    def unit_replied(self, unit: UnitProcess, frame: FrameStart, payload: bytearray) -> None:
        """`payload` holds the head and then the body, and is the owner's to keep."""
        ...

    def unit_ended(self, unit: UnitProcess) -> None: ...


@dataclass(frozen=True, slots=True)
class UnitCommand:
    """What to start: a command that takes the arguments of `relook.fleet.unit`, for a model."""

    command: Sequence[str]
    artifact: Path
    name: str
    """The deployment's, for the log."""


class UnitProcess(asyncio.BufferedProtocol):
    """One unit, from its start to its end; created on the event loop's thread, whose death it does not outlive.

    OSError if the process cannot be started.
    """

    def __init__(self, what: UnitCommand, settings: FleetSettings, owner: UnitOwner) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._owner = owner
        self._name = what.name
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._target = memoryview(bytearray(HEADER.size))
        self._filled = 0
        self._frame: FrameStart | None = None
        self._why_killed = ""
        self.state = UnitState.STARTING
        self.was_ready = False
        self.dismissed = False
        self.idle_since = 0.0
        self.engine = ""
        self.reason = ""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._process, self._pidfd, self._link = _spawn(what, settings)
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._output = OutputLog(self._loop, self._process.stdout, what.name, self.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)
        self._connecting = self._loop.create_task(self._connect())
        self._set_timer(settings.start_timeout, f"it did not load its model within {settings.start_timeout:g} s")

    def predict(self, request: int, image: bytes, min_confidence: float | None) -> None:
        """Send an IDLE unit an image; the reply comes to the owner."""
        assert self.state is UnitState.IDLE, self.state
        assert self._transport is not None
        self.state = UnitState.BUSY
        seconds = self._settings.request_timeout
        self._set_timer(seconds, f"it did not answer within {seconds:g} s")
        head = None if min_confidence is None else {"min_confidence": min_confidence}
        self._transport.write(encode(FrameKind.PREDICT, request, head, len(image)))
        self._transport.write(image)

    def retire(self) -> None:
        """Let it end by itself: it does at the end of its socket. Killed if that takes too long."""
        self.dismissed = True
        if self.state in (UnitState.ENDING, UnitState.ENDED):
            return
        if self._transport is None or self.state is UnitState.STARTING:
            self.kill("it was not wanted any more")
            return
        self.state = UnitState.ENDING
        self._set_timer(self._settings.farewell, f"it did not end within {self._settings.farewell:g} s")
        self._transport.close()

    def kill(self, why: str) -> None:
        """End it at once; the first reason given stands. The owner hears of it when it has ended."""
        if self.state is UnitState.ENDED:
            return
        self._why_killed = self._why_killed or why
        self.state = UnitState.ENDING
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.state in (UnitState.ENDING, UnitState.ENDED):
            return
        self.state = UnitState.ENDING  # its end, which is near, says more than a closed socket
        self._set_timer(self._settings.farewell, "it closed its socket")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._target[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled < len(self._target):
            return
        try:
            self._part_complete()
        except FrameError as error:
            self.kill(f"it sent nonsense: {error}")

    def _part_complete(self) -> None:
        filled, frame = self._target, self._frame
        if frame is None:
            frame = parse_start(filled)
            if frame.head + frame.body > 0:
                self._expect(frame, frame.head + frame.body)
                return
            filled = memoryview(bytearray())
        self._expect(None, HEADER.size)
        self._arrived(frame, cast(bytearray, filled.obj))

    def _expect(self, frame: FrameStart | None, size: int) -> None:
        self._frame, self._filled, self._target = frame, 0, memoryview(bytearray(size))

    def _arrived(self, frame: FrameStart, payload: bytearray) -> None:
        if self.state is UnitState.ENDING:
            return
        due = UnitState.STARTING if frame.kind is FrameKind.READY else UnitState.BUSY
        if self.state is not due:
            raise FrameError(f"{frame.kind.name} from a unit that is {self.state.name}")
        self._clear_timer()
        self.state = UnitState.IDLE
        self.idle_since = self._loop.time()
        if frame.kind is FrameKind.READY:
            self.was_ready = True
            self.engine = str(parse_head(payload).get("engine", ""))
            self._owner.unit_ready(self)
        else:
            self._owner.unit_replied(self, frame, payload)

    # Its beginning and its end.

    async def _connect(self) -> None:
        await self._loop.create_unix_connection(lambda: self, sock=self._link)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what it may have started; its number is ours until the wait
        status = self._process.wait()
        self.state = UnitState.ENDED
        self._clear_timer()
        self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()
        else:
            self._link.close()
        last_words = self._output.close()
        how = f"was killed because {self._why_killed}" if self._why_killed else processes.describe_exit(status)
        self.reason = f"the inference unit {how}" + (f": {last_words}" if last_words else "")
        _log.log(
            logging.INFO if self.dismissed else logging.WARNING,
            "inference unit ended: %s",
            self.reason,
            extra={"deployment": self._name, "unit": self.pid},
        )
        self.ended.set_result(None)
        self._owner.unit_ended(self)

    def _set_timer(self, seconds: float, why: str) -> None:
        self._clear_timer()
        self._timer = self._loop.call_later(seconds, self.kill, why)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _spawn(what: UnitCommand, settings: FleetSettings) -> tuple[subprocess.Popen[bytes], int, socket.socket]:
    """The process, its pidfd and our end of the socket pair."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            ours.setblocking(False)
            process = _start(what, settings, theirs.fileno())
        return process, _pidfd(process), ours
    except BaseException:
        ours.close()
        raise


def _start(what: UnitCommand, settings: FleetSettings, link: int) -> subprocess.Popen[bytes]:
    own = ("--artifact", what.artifact, "--fd", link, "--parent", os.getpid())
    options = (*own, "--threads", settings.threads, "--device", settings.device)
    return subprocess.Popen(
        [*what.command, *map(str, options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(link,),
        start_new_session=True,
        env=_environment(settings.threads),
    )


def _pidfd(process: subprocess.Popen[bytes]) -> int:
    try:
        return os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.communicate()
        raise


_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20)}
"""glibc keeps an image's buffers for the next one; giving them back and faulting them in anew costs milliseconds."""


def _environment(threads: int) -> dict[str, str]:
    """Ours, with the thread pools of numerical libraries held down before they are loaded."""
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {**_MEMORY, **os.environ, **dict.fromkeys(pools, str(threads))}
