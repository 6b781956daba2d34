from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from relook.containers.netns import NetworkNamespace

SERVER = """
import socket
import fcntl, struct
probe = socket.socket()
fcntl.ioctl(probe, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(connection.recv(100)[::-1])
    connection.close()
"""


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server on the loopback of a network namespace of its own: (its process, its port)."""
    if os.geteuid() != 0:
        pytest.skip("joining a network namespace needs root")
    process = subprocess.Popen(["unshare", "-n", sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        pytest.skip("this machine allows no network namespaces")
    yield process, int(line)
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_connection_reaches_a_port_only_that_namespace_has(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    with NetworkNamespace.of(process.pid) as namespace:
        for _ in range(3):
            with namespace.connect(port) as connection:
                assert connection.gettimeout() is None
                connection.sendall(b"abc")
                assert connection.recv(10) == b"cba"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2)  # this thread has not moved


def test_no_thread_is_left_and_ours_stays_where_it_was(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    before, here = threading.active_count(), os.readlink("/proc/thread-self/ns/net")
    with NetworkNamespace.of(process.pid) as namespace:
        namespace.connect(port).close()
    assert threading.active_count() == before
    assert os.readlink("/proc/thread-self/ns/net") == here


def test_a_port_nobody_listens_on_is_refused(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    with NetworkNamespace.of(process.pid) as namespace, pytest.raises(ConnectionRefusedError):
        namespace.connect(port - 1 if port > 1 else port + 1)


def test_a_namespace_whose_process_ended_refuses_and_never_reaches_another(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = server
    namespace = NetworkNamespace.of(process.pid)
    process.kill()
    process.wait()
    with namespace, pytest.raises(OSError):  # noqa: PT011 - refused or unreachable, as the kernel likes
        namespace.connect(port)
    namespace.close()


def test_a_process_that_is_not_there_is_an_os_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(FileNotFoundError):
        NetworkNamespace.of(process.pid)
