"""What bubblewrap runs: `--control FD --runtime NAME -- serve | train | exec PROGRAM ARGUMENT..`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from relook.containers.embedded.host import program, training
from relook.containers.embedded.host.settings import HostSettings, SettingError
from relook.containers.embedded.host.statuses import SERVER_GONE
from relook.containers.embedded.host.supervisor import Supervisor


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    options = _options(arguments)
    os.closerange(3, options.control)  # what bubblewrap itself was given
    os.closerange(options.control + 1, os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(options.control, False)
    control = socket.socket(fileno=options.control)
    if _gone(control):
        return SERVER_GONE
    sys.path += program.paths(dict(os.environ))
    try:
        match options.command:
            case ["serve", *_]:
                settings = HostSettings.read(os.environ)
                return Supervisor(
                    lambda: _work(options.runtime, settings, control), settings.workers, restart=True
                ).run()
            case ["train", *_]:
                return training.run(os.environ)
            case ["exec", name, *rest]:
                return Supervisor(lambda: _become(name, rest)).run()
    except (SettingError, training.TrainingSetupError) as error:
        print(f"relook: {error}", flush=True)
        return 2
    print(f"relook: there is no command {' '.join(options.command)!r}", flush=True)
    return 2


def _gone(control: socket.socket) -> bool:
    """Whether the server ended before the kernel could be told to end this process with it."""
    try:
        return not control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def _work(runtime: str, settings: HostSettings, control: socket.socket) -> None:
    from relook.containers.embedded.host import worker  # brings NumPy, which the first process can do without

    worker.run(runtime, settings, control)


def _become(name: str, arguments: Sequence[str]) -> None:
    try:
        os.execvp(name, [name, *arguments])
    except OSError as error:
        print(f"relook: {name} cannot be run: {error.strerror}", flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="relook handler host")
    parser.add_argument("--control", type=int, required=True, help="where connections come from")
    parser.add_argument("--runtime", required=True, help="whose handlers are the default")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)
