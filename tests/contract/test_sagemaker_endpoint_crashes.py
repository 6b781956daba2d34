"""Endpoints through the death of a container and of the server."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from endpoint_world import Endpoints
from lookout_stage import Stage, stage_on

from relook.testing import LiveServer

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with LiveServer(tmp_path_factory.mktemp("hosting") / "data") as server:
        stage = stage_on(server)
        made = Endpoints(stage)
        made.serve("alive")
        yield made
        stage.close()


def test_a_container_killed_in_mid_request_is_replaced(endpoints: Endpoints) -> None:
    told: list[ClientError] = []

    def ask() -> None:
        try:
            endpoints.ask("alive", b"sleep:30")
        except ClientError as error:
            told.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: logged(endpoints.stage, "sleeping"))
    before = sandboxes(endpoints.stage)
    assert before != []
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    asking.join()
    assert [each.response["Error"]["Code"] for each in told] == ["ModelError"], endpoints.stage.server.tail(30)
    assert endpoints.ask("alive") == b"alive"
    assert endpoints.describe("alive")["EndpointStatus"] == "InService"
    assert not set(before) & set(sandboxes(endpoints.stage))


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_endpoints_come_back_with_the_server(endpoints: Endpoints, way: str) -> None:
    stage = endpoints.stage
    before = sandboxes(stage)
    stage.close()
    getattr(stage.server, way)()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before))
    stage.server.start()
    stage._clients.clear()
    assert endpoints.ask("alive") == b"alive"
    assert endpoints.describe("alive")["EndpointStatus"] == "InService"


def sandboxes(stage: Stage) -> list[int]:
    """The processes that the server has started for containers."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                name = (folder / "comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == stage.server.pid and name == "bwrap":
                found.append(int(folder.name))
    return found


def logged(stage: Stage, line: str) -> bool:
    """Whether a container has written this line."""
    database = sqlite3.connect(stage.server.data / "relook.sqlite3")
    with closing(database):
        (count,) = database.execute("SELECT count(*) FROM log_events WHERE text = ?", [line]).fetchone()
    return bool(count)


def wait_for(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def test_idle_endpoints_stop_and_the_next_request_starts_them(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", environment={"RELOOK_ENDPOINT_IDLE_SECONDS": "1"}) as server:
        stage = stage_on(server)
        endpoints = Endpoints(stage)
        endpoints.serve("sleepy")
        wait_for(lambda: sandboxes(stage) == [])
        assert endpoints.describe("sleepy")["EndpointStatus"] == "InService"
        assert endpoints.ask("sleepy") == b"sleepy"
        assert len(sandboxes(stage)) == 1
        stage.close()
