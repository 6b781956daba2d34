"""Trainings in a container engine: the same world as the processes, with a real Podman as the driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from training_world import BUCKET, World, channel, unpacked

import container_image
from podman_service import PodmanMissing, PodmanService, podman_with_image
from relook.containers.engine.driver import EngineDriver
from relook.core.training.states import TrainingStatus

TRAINING = """
with open("/opt/ml/input/data/train_0", "rb") as pipe:
    piped = pipe.read()
with open("/opt/ml/input/data/train_1", "rb") as pipe:
    again = pipe.read()
with open("/opt/ml/input/config/hyperparameters.json") as file:
    given = json.load(file)
with open("/opt/ml/input/data/files/sub/a", "rb") as file:
    copied = file.read()
try:
    open("/opt/ml/input/config/hyperparameters.json", "w")
    writable = True
except OSError:
    writable = False
open("/opt/ml/input/data/files/mine", "w").close()
way = socket.socket()
way.settimeout(5)
try:
    way.connect(("192.0.2.1", 80))
    reached = True
except OSError:
    reached = False
with open("/opt/ml/model/seen.json", "w") as file:
    json.dump([len(piped), piped == again, given, copied.decode(), writable, reached, socket.gethostname()], file)
print("bytes=%d" % len(piped), flush=True)
"""
WAITING = """
import signal
def end(number, frame):
    with open("/opt/ml/model/kept", "w") as file:
        file.write("kept")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(200)
"""


@pytest.fixture(scope="module")
def podman() -> Iterator[PodmanService]:
    try:
        service = podman_with_image()
    except PodmanMissing as error:
        pytest.skip(str(error))
    yield service
    service.close()


@pytest.fixture
def world(tmp_path: Path, podman: PodmanService) -> Iterator[World]:
    driver = EngineDriver(podman.setting)
    made = World(tmp_path, {}, driver)
    yield made
    made.close()
    driver.close()


def create(world: World, code: str, **more: Any) -> int:
    arguments = {"ContainerArguments": ["run", code], "MetricDefinitions": more.pop("metrics", [])}
    return world.create(container_image.IMAGE, AlgorithmSpecification=arguments, EnableNetworkIsolation=True, **more)


def test_pipes_files_isolation_and_results(world: World) -> None:
    world.put("in/a", b"x" * 300_000)
    world.put("in/b", b"y" * 300_000)
    world.put("files/sub/a", b"copied")
    job = world.run(
        create(
            world,
            TRAINING,
            metrics=[{"Name": "bytes", "Regex": r"bytes=(\d+)"}],
            HyperParameters={"rate": "0.1"},
            InputDataConfig=[
                channel("train", f"s3://{BUCKET}/in/", InputMode="Pipe"),
                channel("files", f"s3://{BUCKET}/files/"),
            ],
        )
    )
    assert job.failure is None
    assert [one.value for one in job.metrics] == [600_000.0]
    seen = unpacked(world.read("out/job/output/model.tar.gz"))["seen.json"]
    assert seen == b'[600000, true, {"rate": "0.1"}, "copied", false, false, "algo-1"]'


def test_a_stop_ends_the_container(world: World) -> None:
    job = world.run_and_stop(create(world, WAITING))
    assert job.status is TrainingStatus.STOPPED
    assert unpacked(world.read("out/job/output/model.tar.gz")) == {"kept": b"kept"}


def test_an_image_that_is_not_there_fails_the_training(world: World) -> None:
    job = world.run(world.create("relook.test/missing:1"))
    assert job.failure is not None
    assert job.failure.startswith("ClientError: ")
    assert "relook.test/missing:1" in job.failure
