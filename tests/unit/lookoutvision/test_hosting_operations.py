"""StartModel, StopModel and the controller behind them."""

from __future__ import annotations

import asyncio

import pytest
from hosting_stage import ARN, MODEL, START_ONE, Stage, image, play, until
from lookout_world import ACCOUNT, HOURS, REGION, World
from sqlalchemy import update

from relook.core.states import ModelStatus
from relook.services.lookoutvision import Hosting
from relook.store.tables.lookoutvision import models


@pytest.fixture
def world(trained_world: World) -> World:
    return trained_world


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


def test_units_that_do_not_come_back_end_the_hosting(world: World) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        stage.fleet.failed[ARN]("killed")
        failed = await stage.becomes("HOSTING_FAILED")
        assert failed["StatusMessage"] == "The model stopped running. killed"

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


@pytest.mark.parametrize("first", ["failure", "stop"])
def test_a_failure_during_a_stop_ends_in_trained(world: World, first: str) -> None:
    world.trained("q")

    async def scenario(stage: Stage) -> None:
        await stage.hosted()
        stage.fleet.drained.clear()
        if first == "stop":
            await stage.stop()
            await until(lambda: bool(world.hosting._undeploys))
        stage.fleet.failed[ARN]("all units died")
        if first == "failure":
            await until(lambda: world.hosting.serving(ACCOUNT, REGION, "p", "1") is None)
            await stage.stop()
        await world.acall("StartModel", ProjectName="q", ModelVersion="1", MinInferenceUnits=1)
        await until(lambda: ARN.replace("/p/", "/q/") in stage.fleet.deployed)  # so all before that was seen
        assert await stage.status() == "STOPPING_HOSTING"
        stage.fleet.drained.set()
        await stage.becomes("TRAINED")
        assert stage.fleet.undeployed == [ARN]

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


def test_notify_is_harmless_before_and_after(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.hosting.notify()

    async def scenario(stage: Stage) -> None:
        await asyncio.to_thread(world.hosting.notify)
        await stage.hosted()

    play(world, scenario)
    world.hosting.notify()
    assert world.describe_model()["Status"] == "HOSTED"
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


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
