"""StartModel, StopModel, the controller behind them, and DetectAnomalies."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lookout_world import ACCOUNT, HOURS, OTHER_ACCOUNT, PIXEL, REGION, Incoming, World
from sqlalchemy import update

from relook.core.states import ModelStatus
from relook.fleet.api import BadInput, FleetError, Overloaded, UnitLost
from relook.services.lookoutvision import Hosting, Limits
from relook.store.tables.lookoutvision import models
from relook.vision.samples import Prediction, Region

ARN = f"arn:aws:lookoutvision:{REGION}:{ACCOUNT}:model/p/1"
MODEL = {"ProjectName": "p", "ModelVersion": "1"}
START_ONE = {**MODEL, "MinInferenceUnits": 1}
JPEG = {"ContentType": "image/jpeg"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A data folder with one trained model, made once and copied."""
    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(pictures, root, dirs_exist_ok=True)
    made = World(root)
    made.trained()
    made.close()
    return root


@pytest.fixture
def world(tmp_path: Path, trained: Path) -> Iterator[World]:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    made = World(tmp_path)
    yield made
    made.close()


def image(data: bytes = b"image") -> dict[str, Any]:
    return {**JPEG, "Body": Incoming(data)}


async def until(true: Callable[[], bool]) -> None:
    """Let the controller work; pytest's own time limit ends a wait that never comes true."""
    while not true():
        await asyncio.sleep(0.001)


class Stage:
    """A world with a trained model and a running controller."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fleet = world.fleet

    async def status(self, version: str = "1") -> str:
        answer = await self.world.acall("DescribeModel", ProjectName="p", ModelVersion=version)
        return str(answer["ModelDescription"]["Status"])

    async def becomes(self, status: str) -> dict[str, Any]:
        while await self.status() != status:
            await asyncio.sleep(0.001)
        return dict((await self.world.acall("DescribeModel", **MODEL))["ModelDescription"])

    async def start(self, **members: Any) -> dict[str, Any]:
        return await self.world.acall("StartModel", **{**START_ONE, **members})

    async def hosted(self) -> None:
        await self.start()
        await until(lambda: ARN in self.fleet.deployed)
        self.fleet.ready[ARN]()
        await self.becomes("HOSTED")
        await until(lambda: self.world.hosting.serving(ACCOUNT, REGION, "p", "1") is not None)

    async def stop(self, **members: Any) -> dict[str, Any]:
        return await self.world.acall("StopModel", **MODEL, **members)

    async def detect(self, **members: Any) -> dict[str, Any]:
        answer = await self.world.acall("DetectAnomalies", **{**MODEL, **image(), **members})
        return dict(answer["DetectAnomalyResult"])


Scenario = Callable[[Stage], Awaitable[None]]


def play(world: World, scenario: Scenario) -> None:
    async def run() -> None:
        await world.hosting.start()
        try:
            await scenario(Stage(world))
        finally:
            await world.hosting.close()

    asyncio.run(run())


def set_status(world: World, status: ModelStatus) -> None:
    with world.store.write() as connection:
        connection.execute(update(models).values(status=status, min_units=1, max_units=2))


def test_a_model_is_started_used_and_stopped(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        assert await stage.start(MaxInferenceUnits=3) == {"Status": "STARTING_HOSTING"}
        await until(lambda: ARN in stage.fleet.deployed)
        deployment = stage.fleet.deployed[ARN]
        assert (deployment.min_units, deployment.max_units) == (1, 3)
        assert (deployment.artifact / "model.json").is_file()
        starting = await stage.becomes("STARTING_HOSTING")
        assert (starting["MinInferenceUnits"], starting["MaxInferenceUnits"]) == (1, 3)
        stage.fleet.ready[ARN]()
        assert (await stage.becomes("HOSTED"))["StatusMessage"] == "The model is running."
        assert (await stage.detect())["IsAnomalous"] is True
        assert await stage.stop() == {"Status": "STOPPING_HOSTING"}
        assert (await world.arefused("DetectAnomalies", **MODEL, **image())).code == "ConflictException"
        stopped = await stage.becomes("TRAINED")
        assert stopped["StatusMessage"] == "Training completed successfully."
        assert "MinInferenceUnits" not in stopped
        assert stage.fleet.undeployed == [ARN]
        await stage.hosted()

    play(world, scenario)


def test_without_a_maximum_the_units_are_fixed(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.start(MinInferenceUnits=2)
        await until(lambda: ARN in stage.fleet.deployed)
        assert (stage.fleet.deployed[ARN].min_units, stage.fleet.deployed[ARN].max_units) == (2, 2)
        assert "MaxInferenceUnits" not in await stage.becomes("STARTING_HOSTING")

    play(world, scenario)


def test_a_stop_waits_for_requests_in_flight_and_others_do_not_wait_for_it(world: World) -> None:
    world.trained("q")

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        stage.fleet.drained.clear()
        await stage.stop()
        other = ARN.replace("/p/", "/q/")
        await world.acall("StartModel", ProjectName="q", ModelVersion="1", MinInferenceUnits=1)
        await until(lambda: other in stage.fleet.deployed)
        assert await stage.status() == "STOPPING_HOSTING"
        assert (await world.arefused("StartModel", **START_ONE)).code == "ConflictException"
        assert (await world.arefused("StopModel", **MODEL)).code == "ConflictException"
        assert (await world.arefused("DeleteModel", **MODEL)).code == "ConflictException"
        stage.fleet.drained.set()
        await stage.becomes("TRAINED")

    play(world, scenario)


def test_a_model_that_is_starting_can_be_stopped(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.start()
        await until(lambda: ARN in stage.fleet.deployed)
        await stage.stop()
        stage.fleet.ready[ARN]()
        await stage.becomes("TRAINED")
        assert world.hosting.serving(ACCOUNT, REGION, "p", "1") is None

    play(world, scenario)


@pytest.mark.parametrize("asked", [False, True])
def test_units_that_do_not_come_up_fail_the_hosting(world: World, asked: bool) -> None:

    async def scenario(stage: Stage) -> None:
        if asked:
            stage.fleet.refuses = OSError("no memory")
        await stage.start()
        if not asked:
            await until(lambda: ARN in stage.fleet.deployed)
            stage.fleet.failed[ARN]("no memory")
        failed = await stage.becomes("HOSTING_FAILED")
        assert failed["StatusMessage"] == "The model could not be started. no memory"
        stage.fleet.refuses = None
        await until(lambda: ARN not in stage.fleet.deployed)
        await stage.hosted()

    play(world, scenario)


def test_a_failure_during_a_stop_ends_in_trained(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        stage.fleet.drained.clear()
        stage.fleet.failed[ARN]("all units died")
        await until(lambda: world.hosting.serving(ACCOUNT, REGION, "p", "1") is None)
        await stage.stop()
        stage.fleet.drained.set()
        await stage.becomes("TRAINED")

    play(world, scenario)


@pytest.mark.parametrize(
    ("before", "after"), [("HOSTED", "HOSTED"), ("STARTING_HOSTING", "HOSTED"), ("STOPPING_HOSTING", "TRAINED")]
)
def test_a_restart_takes_up_where_the_rows_are(world: World, before: str, after: str) -> None:
    set_status(world, ModelStatus(before))

    async def scenario(stage: Stage) -> None:
        if after == "HOSTED":
            assert stage.fleet.deployed[ARN].max_units == 2
            assert (world.hosting.serving(ACCOUNT, REGION, "p", "1") is not None) is (before == "HOSTED")
            stage.fleet.ready[ARN]()
        else:
            assert stage.fleet.deployed == {}
        await stage.becomes(after)
        if after == "HOSTED":
            await stage.detect()

    play(world, scenario)


def test_a_hosted_model_that_does_not_come_back_is_failed(world: World) -> None:
    set_status(world, ModelStatus.HOSTED)

    async def scenario(stage: Stage) -> None:
        stage.fleet.failed[ARN]("the artifact is damaged")
        assert "damaged" in (await stage.becomes("HOSTING_FAILED"))["StatusMessage"]
        assert (await world.arefused("DetectAnomalies", **MODEL, **image())).code == "ConflictException"

    play(world, scenario)


def test_the_controller_outlives_a_database_that_fails(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The event waits until the change it stands for is committed."""
    failures = [OSError("disk gone")]

    class Flaky(Hosting):
        def _write(self, model_id: int, status: ModelStatus, message: str) -> bool:
            if failures:
                raise failures.pop()
            return super()._write(model_id, status, message)

    world.hosting = Flaky(world.store, world.fleet, world.artifacts)

    async def scenario(stage: Stage) -> None:
        await stage.start()
        world.hosting.notify()
        await stage.becomes("STARTING_HOSTING")
        await until(lambda: ARN in stage.fleet.deployed)
        stage.fleet.ready[ARN]()
        await stage.becomes("HOSTED")

    play(world, scenario)
    assert "disk gone" in caplog.text


def test_notify_is_harmless_before_and_after(world: World) -> None:
    world.hosting.notify()

    async def scenario(stage: Stage) -> None:
        await asyncio.to_thread(world.hosting.notify)

    play(world, scenario)
    world.hosting.notify()


def test_a_model_not_trained_is_not_started(world: World) -> None:
    set_status(world, ModelStatus.TRAINING)
    for name, members in (("StartModel", START_ONE), ("StopModel", MODEL), ("DetectAnomalies", {**MODEL, **image()})):
        error = world.refused(name, **members)
        assert (error.code, "TRAINING" in error.message) == ("ConflictException", True)
        assert error.members == {"ResourceId": "p/1", "ResourceType": "MODEL"}


def test_units_have_an_order_and_a_limit(world: World) -> None:
    error = world.refused("StartModel", **MODEL, MinInferenceUnits=2, MaxInferenceUnits=1)
    assert (error.code, "MaxInferenceUnits 1" in error.message) == ("ValidationException", True)
    for units in ({"MinInferenceUnits": 6}, {"MinInferenceUnits": 1, "MaxInferenceUnits": 6}):
        error = world.refused("StartModel", **MODEL, **units)
        assert (error.status, error.members["QuotaCode"]) == (402, "L-00000002")
    assert world.describe_model()["Status"] == "TRAINED"


def test_one_constant_token_starts_and_stops_for_ever(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        for _ in range(3):
            assert await stage.start(ClientToken="always") == {"Status": "STARTING_HOSTING"}
            assert await stage.start(ClientToken="always") == {"Status": "STARTING_HOSTING"}
            await until(lambda: ARN in stage.fleet.deployed)
            stage.fleet.ready[ARN]()
            await stage.becomes("HOSTED")
            assert await stage.start(ClientToken="always") == {"Status": "STARTING_HOSTING"}
            assert await stage.status() == "HOSTED"
            assert await stage.stop(ClientToken="always") == {"Status": "STOPPING_HOSTING"}
            assert await stage.stop(ClientToken="always") == {"Status": "STOPPING_HOSTING"}
            await stage.becomes("TRAINED")
            assert await stage.stop(ClientToken="always") == {"Status": "STOPPING_HOSTING"}
            assert await stage.status() == "TRAINED"

    play(world, scenario)


def test_a_token_with_other_units_is_a_conflict_until_it_is_forgotten(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.start(ClientToken="t")
        error = await world.arefused("StartModel", **MODEL, MinInferenceUnits=2, ClientToken="t")
        assert (error.code, "ClientToken t" in error.message) == ("ConflictException", True)
        await stage.stop()
        await stage.becomes("TRAINED")
        world.now += 8 * HOURS
        assert await stage.start(MinInferenceUnits=2, ClientToken="t") == {"Status": "STARTING_HOSTING"}

    play(world, scenario)


def test_latest_works_for_every_hosting_call(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.start(ModelVersion="latest")
        await until(lambda: ARN in stage.fleet.deployed)
        stage.fleet.ready[ARN]()
        await stage.becomes("HOSTED")
        assert (await stage.detect(ModelVersion="latest"))["Confidence"] == 0.9
        await world.acall("StopModel", ProjectName="p", ModelVersion="latest")
        await stage.becomes("TRAINED")

    play(world, scenario)


def test_a_classification_answer_has_no_anomalies(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        assert await stage.detect() == {"Source": {"Type": "direct"}, "IsAnomalous": True, "Confidence": 0.9}

    play(world, scenario)


def test_a_segmentation_answer_always_has_them(world: World) -> None:
    background = Region("background", "#FFFFFF", 1.0)
    world.fleet.answer = Prediction(0.1, 0.5, False, 0.9, 4, 4, (background,), PIXEL)

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        found = await stage.detect()
        assert base64.b64decode(found.pop("AnomalyMask")) == PIXEL
        assert found == {
            "Source": {"Type": "direct"},
            "IsAnomalous": False,
            "Confidence": 0.9,
            "Anomalies": [{"Name": "background", "PixelAnomaly": {"TotalPercentageArea": 1.0, "Color": "#FFFFFF"}}],
        }

    play(world, scenario)


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (BadInput("no JPEG or PNG"), "ValidationException", "no JPEG or PNG"),
        (Overloaded("busy"), "ThrottlingException", "every inference unit is busy"),
        (UnitLost("lost"), "InternalServerException", "lost"),
        (FleetError("odd"), "InternalServerException", "odd"),
    ],
)
def test_errors_of_the_fleet_are_worded_for_clients(world: World, failure: Exception, code: str, text: str) -> None:
    world.fleet.answer = failure

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        error = await world.arefused("DetectAnomalies", **MODEL, **image())
        assert (error.code, text in error.message) == (code, True)
        if code in ("ThrottlingException", "InternalServerException"):
            assert error.headers == {"Retry-After": "1"}

    play(world, scenario)


def test_a_model_the_fleet_has_lost_is_a_conflict(world: World) -> None:

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        stage.fleet.deployed.clear()
        assert (await world.arefused("DetectAnomalies", **MODEL, **image())).code == "ConflictException"

    play(world, scenario)


def test_existence_then_state_then_content(world: World) -> None:
    junk = {"ContentType": "text/plain", "Body": Incoming(b"")}

    async def scenario(stage: Stage) -> None:
        members: dict[str, Any] = {"ProjectName": "absent", "ModelVersion": "1"}
        assert (await world.arefused("DetectAnomalies", **members, **junk)).members["ResourceType"] == "PROJECT"
        members = {"ProjectName": "p", "ModelVersion": "2"}
        assert (await world.arefused("DetectAnomalies", **members, **junk)).members["ResourceType"] == "MODEL"
        assert (await world.arefused("DetectAnomalies", **MODEL, **junk)).code == "ConflictException"
        await stage.hosted()
        error = await world.arefused("DetectAnomalies", **MODEL, **junk)
        assert error.code == "ValidationException"
        assert error.message == "content-type must be one of the following. image/jpeg, image/png"
        error = await world.arefused("DetectAnomalies", **MODEL, **{**junk, **JPEG})
        assert (error.code, "empty" in error.message) == ("ValidationException", True)
        assert (await world.arefused("DetectAnomalies", OTHER_ACCOUNT, **MODEL, **image())).status == 404

    play(world, scenario)


@pytest.mark.parametrize("told", [True, False])
def test_an_image_that_is_too_large_is_refused_early(world: World, tmp_path: Path, told: bool) -> None:
    world.close()
    world = World(tmp_path, limits=Limits(image_bytes=10))

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        await stage.detect(Body=Incoming(b"12345", b"67890", told=told))
        body = Incoming(b"12345", b"67890", b"1", b"never read", told=told)
        error = await world.arefused("DetectAnomalies", **MODEL, **JPEG, Body=body)
        assert (error.code, "larger than 10 bytes" in error.message) == ("ValidationException", True)
        assert body.read_bytes == (0 if told else 11)

    play(world, scenario)
    world.close()
