"""Programs in containers that try to get out, on a real engine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from inside import Log, fresh, run, running, serving

from podman_service import PodmanService
from relook.containers.api import CannotRun, Container
from relook.containers.engine.driver import EngineDriver

OUTSIDE = ["192.0.2.53", "198.51.100.1", "169.254.169.254", "8.8.8.8"]
"""Nobody, nobody, where clouds hand out credentials, and a well-known one."""
NOWHERE = ("tunl", "gre", "sit", "ip6", "erspan")
"""Tunnels without another end, which some kernels put into every namespace."""
TRY = """
def attempt(address, port, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.settimeout(5)
        try:
            probe.connect((address, port))
            probe.send(b"x")
            return "connected"
        except OSError as error:
            return error.errno
"""


@pytest.fixture(scope="module")
def driver(podman: PodmanService) -> Iterator[EngineDriver]:
    made = EngineDriver(podman.setting)
    yield made
    made.close()


@contextlib.contextmanager
def _serving(driver: EngineDriver, isolated: bool) -> Iterator[Container]:
    log = Log()
    container = driver.start(serving(isolated=isolated), log)
    try:
        log.wait_for("listening")
        yield container
    finally:
        container.stop(0)


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a service of this machine that listens on all its addresses."""
    with socket.create_server(("", 0)) as server:
        server.settimeout(0.2)
        ending = threading.Event()
        thread = threading.Thread(target=_accept, args=(server, ending))
        thread.start()
        yield server.getsockname()[1]
        ending.set()
        thread.join()


def _accept(server: socket.socket, ending: threading.Event) -> None:
    while not ending.is_set():
        with contextlib.suppress(TimeoutError):
            server.accept()[0].close()


def _gateway(podman: PodmanService, container: Container) -> str:
    client = podman.client()
    try:
        networks = client.inspect_container(container.name)["NetworkSettings"]
    finally:
        client.close()
    return str(networks["Gateway"] or next(iter(networks["Networks"].values()))["Gateway"])


def _attempts(container: Container, addresses: list[str], port: int, kind: str = "socket.SOCK_STREAM") -> list[object]:
    found = run(container, f"{TRY}\nanswer = [attempt(each, {port}, {kind}) for each in {addresses}]")
    assert isinstance(found, list)
    return found


def test_an_isolated_container_reaches_nobody(driver: EngineDriver, podman: PodmanService, listener: int) -> None:
    with _serving(driver, isolated=False) as open_one, _serving(driver, isolated=True) as closed:
        gateway = _gateway(podman, open_one)  # an address of this machine, there while a container with a network is
        socket.create_connection((gateway, listener), 5).close()
        assert _attempts(open_one, [gateway], listener) == ["connected"]  # so the attempt itself can succeed
        hosts = [gateway, *_own_addresses()]
        assert _attempts(closed, hosts, listener) == [errno.ENETUNREACH] * len(hosts)
        assert _attempts(closed, OUTSIDE, 80) == [errno.ENETUNREACH] * len(OUTSIDE)
        assert _attempts(closed, OUTSIDE, 53, "socket.SOCK_DGRAM") == [errno.ENETUNREACH] * len(OUTSIDE)
        assert _attempts(closed, ["2001:db8::1"], 80)[0] in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
        # Its loopback is its own: there it reaches itself, and nothing of ours.
        assert _attempts(closed, ["127.0.0.1"], 8080) == ["connected"]
        assert _attempts(closed, ["127.0.0.1"], listener) == [errno.ECONNREFUSED]


def _own_addresses() -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing, finds out which of our addresses it would come from
        except OSError:
            return []
        return [probe.getsockname()[0]]


def test_an_isolated_container_has_no_way_to_make_itself_a_network(driver: EngineDriver) -> None:
    name = f"\0relook-{fresh()}"  # a Unix socket without a file belongs to a network namespace as well
    code = f"""
def fails(attempt):
    try:
        attempt()
    except OSError as error:
        return error.errno
    return None
libc = __import__("ctypes").CDLL(None, use_errno=True)
def unshare():
    if libc.unshare(0x40000000) != 0:
        raise OSError(__import__("ctypes").get_errno(), "unshare")
answer = {{
    "interfaces": sorted(line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]),
    "routes": open("/proc/net/route").readlines()[1:],
    "packets": fails(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "unshare": fails(unshare),
    "abstract": fails(lambda: socket.socket(socket.AF_UNIX).connect({name!r})),
    "sockets": [line for line in open("/proc/mounts") if "docker.sock" in line or "podman.sock" in line],
}}
"""
    with socket.socket(socket.AF_UNIX) as server, _serving(driver, isolated=True) as container:
        server.bind(name)
        server.listen()
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(name)
        found = run(container, code)
    assert "lo" in found["interfaces"]
    # Some kernels put tunnels that lead nowhere into every namespace.
    assert not [
        each for each in found["interfaces"] if not each.startswith(("lo", "tunl", "gre", "sit", "ip6", "erspan"))
    ]
    assert found["routes"] == []
    assert (found["packets"], found["unshare"]) == (errno.EPERM, errno.EPERM)
    assert found["abstract"] == errno.ECONNREFUSED
    assert found["sockets"] == []


def test_nothing_of_an_isolated_container_is_published(driver: EngineDriver, podman: PodmanService) -> None:
    with _serving(driver, isolated=True) as container:
        client = podman.client()
        assert not client.inspect_container(container.name)["NetworkSettings"]["Ports"]
        client.close()


UNPRIVILEGED = """
import sys
from inside import Log, running, serving
from relook.containers.api import CannotRun
from relook.containers.engine.driver import EngineDriver
driver = EngineDriver(sys.argv[1])
print(driver.start(running("sys.exit(9)", isolated=True), Log()).wait(30), flush=True)
try:
    driver.start(serving(isolated=True), Log())
except CannotRun as error:
    print(error, flush=True)
"""


@pytest.mark.slow
def test_without_the_right_to_join_it_isolation_is_refused_where_someone_has_to_get_in(podman: PodmanService) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    command = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", UNPRIVILEGED, podman.setting]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    first, second = ran.stdout.splitlines()
    assert first == "9"
    assert "CAP_SYS_ADMIN" in second
    client = podman.client()
    left = client.containers(all=True)
    client.close()
    assert left == []


def test_an_engine_that_leaves_out_isolation_is_caught_before_anything_runs(
    podman: PodmanService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine here does so by itself: what is asked of it is changed on the way."""
    driver, log = EngineDriver(podman.setting), Log()
    client = driver._connected()
    create = client.create_host_config
    monkeypatch.setattr(client, "create_host_config", lambda **asked: create(**asked | {"network_mode": "host"}))
    with pytest.raises(CannotRun, match="did not grant it"):
        driver.start(running("print('runs')", isolated=True), log)
    assert log.lines == []
    assert client.containers(all=True) == []
    driver.close()


def test_one_that_says_so_and_does_not_do_it_is_caught(podman: PodmanService, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = EngineDriver(podman.setting)
    client = driver._connected()
    look = client.inspect_container
    ours = {"State": {"Running": True, "Pid": os.getpid()}}  # as if it ran in this machine's own network
    monkeypatch.setattr(client, "inspect_container", lambda identity: look(identity) | ours)
    with pytest.raises(CannotRun, match="did not grant it"):
        driver.start(running("signal.pause()", isolated=True), Log())
    monkeypatch.undo()
    assert client.containers(all=True) == []
    driver.close()
