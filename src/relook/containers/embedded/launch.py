"""Starting one sandbox: bubblewrap waits until limits and groups hold, and only then runs our host."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import relook
from relook.containers.api import EngineFailed, Limits
from relook.containers.embedded import sandbox
from relook.containers.embedded.cgroups import Cgroup, create

FILES = 65_536
"""Open files of one sandbox, or what the server itself may have where that is less."""
_BUILD_SECONDS = 60.0
_BOOT = (
    "import sys; sys.path.append(sys.argv.pop(1)); from relook.containers.embedded.host.main import main; "
    "sys.exit(main(sys.argv[1:]))"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start: our host's arguments, what it sees, and its limits."""

    name: str
    arguments: Sequence[str]
    view: sandbox.View
    limits: Limits


@dataclass(frozen=True, slots=True)
class Started:
    """`process` is bubblewrap's, `init` a pidfd of the first process inside, `control` takes connections to it."""

    process: subprocess.Popen[bytes]
    init: int
    control: socket.socket
    group: Cgroup
    unlimited: Sequence[str]
    """In words, the limits that nothing holds here."""


@cache
def _spawner() -> ThreadPoolExecutor:
    """The one thread that starts sandboxes. The kernel ends a child with the *thread* that started it."""
    return ThreadPoolExecutor(1, "sandbox")


def start(bubblewrap: str, plan: Plan) -> Started:
    """Raises EngineFailed. Blocks until the sandbox stands: some milliseconds."""
    group, unlimited = create(plan.name, plan.limits)
    try:
        return _spawner().submit(_start, bubblewrap, plan, group, unlimited).result()
    except BaseException as error:
        with suppress(OSError):  # the first error is the one to tell
            group.remove()
        if isinstance(error, OSError):
            raise EngineFailed(f"the sandbox for {plan.name} cannot be started: {error}") from error
        raise


def _start(bubblewrap: str, plan: Plan, group: Cgroup, unlimited: Sequence[str]) -> Started:
    with ExitStack() as closing:  # our copies of what the child was given
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as undo:
            undo.callback(ours.close)
            closing.enter_context(theirs)
            gate = _Gate(closing)
            process = _spawn(bubblewrap, plan, theirs, gate, closing)
            undo.callback(_abandon, process)
            pid = gate.built(process)
            init = os.pidfd_open(pid)
            undo.callback(os.close, init)
            for each in (process.pid, pid):
                group.add(each)
            _limit(pid, plan.limits)
            gate.open()
            undo.pop_all()
    return Started(process, init, ours, group, unlimited)


class _Gate:
    """Bubblewrap tells when its first process is there, and waits before it runs anything of ours."""

    def __init__(self, closing: ExitStack) -> None:
        told, telling = os.pipe()
        waiting, going = os.pipe()
        self.told = closing.enter_context(os.fdopen(told, "rb", buffering=0))
        self.telling = closing.enter_context(os.fdopen(telling, "wb"))
        self.waiting = closing.enter_context(os.fdopen(waiting, "rb"))
        self._going = closing.enter_context(os.fdopen(going, "wb", buffering=0))

    def built(self, process: subprocess.Popen[bytes]) -> int:
        """The first process, in the server's numbering. EngineFailed with bubblewrap's own words."""
        self.telling.close()
        text = b""
        while not text.rstrip().endswith(b"}"):
            words = self._words()
            if not words:
                assert process.stdout is not None
                said = process.stdout.read().decode(errors="replace").strip()
                raise EngineFailed(f"bubblewrap did not build the sandbox: {said or f'status {process.wait()}'}")
            text += words
        return int(json.loads(text)["child-pid"])

    def _words(self) -> bytes:
        """Some of what it tells, nothing at its end. EngineFailed where that takes long: others wait for this one."""
        told = select.poll()
        told.register(self.told, select.POLLIN)
        if not told.poll(_BUILD_SECONDS * 1000):
            raise EngineFailed(f"bubblewrap did not build the sandbox within {_BUILD_SECONDS:g} s")
        return os.read(self.told.fileno(), 4096)

    def open(self) -> None:
        self._going.write(b"1")


def _spawn(
    bubblewrap: str, plan: Plan, control: socket.socket, gate: _Gate, closing: ExitStack
) -> subprocess.Popen[bytes]:
    options = ["--info-fd", str(gate.telling.fileno()), "--block-fd", str(gate.waiting.fileno())]
    # `told` as well, so that bubblewrap can tell when we are gone: were it ended by that, the first process would wait
    # for it without end. As it is that one runs, finds nobody at `control`, and ends.
    passed = [gate.telling.fileno(), gate.told.fileno(), gate.waiting.fileno(), control.fileno()]
    for path, text in sandbox.own_files(plan.view).items():
        file = closing.enter_context(_in_memory(text))
        passed.append(file.fileno())
        options += ["--perms", "0444", "--ro-bind-data", str(file.fileno()), path]
    every = options + sandbox.arguments(bubblewrap, plan.view)
    # Not on the command line, which every user of the machine can read: the environment is in it.
    listing = closing.enter_context(_in_memory(b"".join(os.fsencode(each) + b"\0" for each in every)))
    package = str(Path(relook.__file__).parent.parent)
    inside = [sys.executable, "-I", "-u", "-B", "-c", _BOOT, package, "--control", str(control.fileno())]
    return subprocess.Popen(
        [*sandbox.command(bubblewrap), "--args", str(listing.fileno()), "--", *inside, *plan.arguments],
        stdin=closing.enter_context(_in_memory(b"")),  # not /dev/null: its owner may change its mode by descriptor
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=sandbox.SEARCHED,
        pass_fds=[*passed, listing.fileno()],
        start_new_session=True,  # Ctrl-C at the server is the server's: it decides what ends
    )


def _limit(pid: int, limits: Limits) -> None:
    """What the kernel holds for each process, with groups or without; set before anything of the user's is loaded.

    Memory is counted as RLIMIT_DATA: RLIMIT_AS also counts what is only reserved, of which numeric libraries take a
    lot. Root (the server's, not the sandbox's) is exempt from RLIMIT_NPROC; then only a group holds processes.
    """
    _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    files = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    wanted = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: files}
    wanted |= {} if limits.processes is None else {resource.RLIMIT_NPROC: limits.processes}
    wanted |= {} if limits.memory_bytes is None else {resource.RLIMIT_DATA: limits.memory_bytes}
    for name, value in wanted.items():
        _, most = resource.prlimit(pid, name)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.prlimit(pid, name, (value, value))


def _in_memory(content: bytes) -> IO[bytes]:
    file = os.fdopen(os.memfd_create("relook"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _abandon(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
