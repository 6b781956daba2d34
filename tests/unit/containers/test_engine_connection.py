"""Where there is no engine, or none that answers: no engine is needed for these."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from relook.containers.api import CannotRun, ContainerSpec
from relook.containers.engine import client
from relook.containers.engine.driver import EngineDriver

SPEC = ContainerSpec("relook-nothing", "somewhere/model:1", ("serve",))


def _refusal(setting: str) -> str:
    driver = EngineDriver(setting)
    with pytest.raises(CannotRun) as caught:
        driver.start(SPEC, lambda line: None)
    driver.reap("relook-")  # nothing to do, and no error
    assert driver.runs(SPEC.image)
    return str(caught.value)


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = _refusal(f"unix://{tmp_path}/none.sock")
    assert f"no socket at {tmp_path}/none.sock" in text
    assert "container_engine" in text


def test_the_setting_none_is_named() -> None:
    assert "container_engine is none" in _refusal("none")


def test_a_socket_where_nobody_listens_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    assert f"{path}: Connection refused" in _refusal(f"unix://{path}")


def test_something_else_at_the_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"

    def answer() -> None:
        for _ in range(2 * 2):  # it is looked at, and then asked: by `start`, and by `reap`
            connection, _ = server.accept()
            with connection:
                connection.settimeout(2)
                if connection.recv(4096):
                    connection.sendall(b"220 mail ready\r\n")

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=answer)
        thread.start()
        assert f"no container engine answers ({path}: " in _refusal(f"unix://{path}")
        thread.join(10)
        assert not thread.is_alive()


def test_auto_looks_at_the_usual_places() -> None:
    found = [str(each) for each in client.sockets("auto")]
    assert found[:2] == ["/var/run/docker.sock", "/run/podman/podman.sock"]
    assert client.sockets("unix:///srv/engine.sock") == [Path("/srv/engine.sock")]
    assert client.sockets("none") == []
