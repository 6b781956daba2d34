"""Endpoints through the death of a container and of the server."""

from __future__ import annotations

import os
import random
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
from endpoint_world import BUCKET, FAST, Endpoints
from lookout_stage import Stage, stage_on
from sagemaker_calls import variant

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


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_whatever_changes_when_the_server_is_killed_comes_to_its_end(tmp_path: Path, rounds: int) -> None:
    """And every asynchronous request that was taken is answered, or told that its endpoint was deleted."""
    chance = random.Random(rounds)
    with LiveServer(tmp_path / "data") as server:
        stage = stage_on(server)
        endpoints = Endpoints(stage)
        prepare(endpoints)
        sent = []
        for number in range(rounds):
            sent.append(send(endpoints, b"round %d" % number))
            change(endpoints, chance, number)
            killed(stage, chance)
            if chance.random() < 0.4:
                killed(stage, chance)
            wait_for(lambda: statuses(endpoints) == {"InService"})
        for number, told in enumerate(sent):
            wait_for(lambda told=told: there(endpoints, told["OutputLocation"]) is not None)
            assert there(endpoints, told["OutputLocation"]) == b"round %d" % number
        sent = [send(endpoints, b"sleep:30"), *(send(endpoints, b"waits") for _ in range(9))]
        endpoints.control.delete_endpoint(EndpointName="later")
        killed(stage, chance)
        endpoints.control.get_waiter("endpoint_deleted").wait(EndpointName="later", WaiterConfig=FAST)
        for told in sent:
            ends = [there(endpoints, told[name]) for name in ("OutputLocation", "FailureLocation")]
            assert [each is not None for each in ends].count(True) == 1, ends
        stage.close()


def prepare(endpoints: Endpoints) -> None:
    """Endpoints `scaled` and `later`, which is asynchronous, and configurations for more."""
    for name in ("scaled", "other"):
        endpoints.model(name)
        endpoints.config(name)
    places = {"S3OutputPath": f"s3://{BUCKET}/answers", "S3FailurePath": f"s3://{BUCKET}/failures"}
    client = {"MaxConcurrentInvocationsPerInstance": 1}
    endpoints.config("later", variant("scaled"), AsyncInferenceConfig={"OutputConfig": places, "ClientConfig": client})
    for name in ("scaled", "later"):
        endpoints.create(name)
        endpoints.in_service(name)


def change(endpoints: Endpoints, chance: random.Random, number: int) -> None:
    match chance.choice(("resize", "resize", "update", "create")):
        case "resize":
            wanted = {"VariantName": "AllTraffic", "DesiredInstanceCount": chance.choice((1, 2))}
            endpoints.control.update_endpoint_weights_and_capacities(
                EndpointName="scaled", DesiredWeightsAndCapacities=[wanted]
            )
        case "update":
            endpoints.control.update_endpoint(
                EndpointName="scaled", EndpointConfigName=chance.choice(("scaled", "other"))
            )
        case "create":
            for each in endpoints.control.list_endpoints(NameContains="new-")["Endpoints"]:
                endpoints.control.delete_endpoint(EndpointName=each["EndpointName"])
            endpoints.create(f"new-{number}", "other")


def killed(stage: Stage, chance: random.Random) -> None:
    """At a random moment, and started again."""
    threading.Event().wait(chance.choice((0.0, chance.uniform(0, 0.3), chance.uniform(0, 1.5))))
    stage.close()
    stage.server.kill()
    stage.server.start()
    stage._session = stage._new_session()


def statuses(endpoints: Endpoints) -> set[str]:
    return {each["EndpointStatus"] for each in endpoints.control.list_endpoints(MaxResults=100)["Endpoints"]}


def send(endpoints: Endpoints, body: bytes) -> dict[str, str]:
    return dict(endpoints.runtime.invoke_endpoint_async(EndpointName="later", Body=body))


def there(endpoints: Endpoints, uri: str) -> bytes | None:
    """The object, or None."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        return bytes(endpoints.stage.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except endpoints.stage.s3.exceptions.NoSuchKey:
        return None


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
