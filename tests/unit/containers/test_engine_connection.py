"""Where there is no engine, or none that answers: no engine is needed for these."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import threading
from pathlib import Path

import pytest

from relook.containers.api import CannotRun, ContainerSpec, EngineFailed
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


def test_a_start_without_an_engine_has_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        EngineDriver("none").reap("relook-")
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, message in told if "no containers to clear away" in message] == ["DEBUG"], told


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


class Broken(http.server.BaseHTTPRequestHandler):
    """An engine that tells its version and fails at all else."""

    def do_GET(self) -> None:
        known = self.path.endswith("/version")
        content = json.dumps({"ApiVersion": "1.41"} if known else {"message": "the disk is full"}).encode()
        self.send_response(200 if known else 500)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, *_: object) -> None:
        pass


def test_a_broken_engine_fails_the_container_and_not_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        driver = EngineDriver(f"unix://{path}")
        with pytest.raises(EngineFailed, match=r"look for the image somewhere/model:1: .*the disk is full"):
            driver.start(SPEC, lambda line: None)
        driver.reap("relook-")
        assert "containers of an earlier server may be left: the container engine failed to list" in caplog.text
        driver.close()
        server.shutdown()
        thread.join()


def test_auto_looks_at_the_usual_places() -> None:
    found = [str(each) for each in client.sockets("auto")]
    assert found[:2] == ["/var/run/docker.sock", "/run/podman/podman.sock"]
    assert client.sockets("unix:///srv/engine.sock") == [Path("/srv/engine.sock")]
    assert client.sockets("none") == []
