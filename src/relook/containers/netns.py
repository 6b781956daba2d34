"""TCP connections that are made inside another process's network namespace.

setns(2) moves one thread, for good; so a thread is spent on each connection. The socket it opened stays in that
namespace whoever reads from it, and no other thread notices. Needs CAP_SYS_ADMIN, which means root.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from typing import Self

_CLONE_NEWNET = 0x40000000
LOOPBACK = "127.0.0.1"


class NetworkNamespace:
    """One process's network namespace, held open: it is the same one even when the process has gone and its number
    belongs to another. Any thread may connect; close it when the container has ended.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def of(cls, pid: int) -> Self:
        """Raises OSError where there is no such process, or it is not ours to look into."""
        return cls(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    def connect(self, port: int, timeout: float = 2.0, host: str = LOOPBACK) -> socket.socket:
        """A blocking socket to `host`:`port` as seen inside. OSError; TimeoutError after `timeout` seconds."""
        found: list[socket.socket | BaseException] = []
        thread = threading.Thread(
            target=_join_and_connect, args=(self._descriptor, (host, port), timeout, found), name="netns", daemon=True
        )
        thread.start()
        thread.join()
        (result,) = found
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        """Safe to call twice, but not while a connection is being made."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _join_and_connect(
    descriptor: int, address: tuple[str, int], timeout: float, found: list[socket.socket | BaseException]
) -> None:
    try:
        _setns(descriptor)
        connection = socket.create_connection(address, timeout)
        connection.settimeout(None)
        found.append(connection)
    except BaseException as error:  # for the thread that waits, which raises it
        found.append(error)


def _setns(descriptor: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(descriptor, _CLONE_NEWNET)
        return
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns (joining a container's network): {os.strerror(number)}")
