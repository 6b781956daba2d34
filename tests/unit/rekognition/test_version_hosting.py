"""StartProjectVersion and StopProjectVersion: what is allowed when, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_world import ACCOUNT, OTHER_ACCOUNT, REGION, RunningWorld, play, until

from relook.core.custom_labels.states import VersionStatus
from relook.services.rekognition.limits import Limits

S = VersionStatus


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RunningWorld]:
    made = RunningWorld(tmp_path)
    yield made
    made.store.close()


def test_a_version_is_started_asked_and_stopped(world: RunningWorld) -> None:
    async def scenario() -> None:
        assert await world.start(MaxInferenceUnits=3) == {"Status": "STARTING"}
        starting = world.version()
        assert (starting.status, starting.message) == (S.STARTING, "The model is starting.")
        assert (starting.min_units, starting.max_units) == (1, 3)
        await world.deployed()
        deployment = world.fleet.deployed[world.arn]
        assert (deployment.min_units, deployment.max_units) == (1, 3)
        assert deployment.artifact == world.artifacts / "folder"
        world.fleet.ready[world.arn]()
        running = await world.becomes(S.RUNNING)
        assert (running.message, running.min_units, running.max_units) == ("The model is running.", 1, 3)
        assert [one["Name"] for one in await world.detect()] == ["cat"]
        assert await world.stop() == {"Status": "STOPPING"}
        stopped = await world.becomes(S.STOPPED)
        assert (stopped.message, stopped.min_units, stopped.max_units) == ("The model is stopped.", None, None)
        assert world.fleet.undeployed == [world.arn]
        await world.running()

    play(world, scenario)


def test_without_a_maximum_the_units_are_fixed(world: RunningWorld) -> None:
    async def scenario() -> None:
        await world.start(MinInferenceUnits=2)
        await world.deployed()
        deployment = world.fleet.deployed[world.arn]
        assert (deployment.min_units, deployment.max_units) == (2, 2)
        assert world.version().max_units is None

    play(world, scenario)


@pytest.mark.parametrize("status", [S.TRAINING_COMPLETED, S.STOPPED, S.COPYING_COMPLETED, S.FAILED])
def test_what_has_a_model_and_rests_can_be_started(world: RunningWorld, status: VersionStatus) -> None:
    world.force(world.arn, status)
    play(world, world.running)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (S.TRAINING_IN_PROGRESS, "ResourceInUseException"),
        (S.COPYING_IN_PROGRESS, "ResourceInUseException"),
        (S.STARTING, "ResourceInUseException"),
        (S.RUNNING, "ResourceInUseException"),
        (S.STOPPING, "ResourceInUseException"),
        (S.DELETING, "ResourceInUseException"),
        (S.TRAINING_FAILED, "InvalidParameterException"),
        (S.COPYING_FAILED, "InvalidParameterException"),
    ],
)
def test_what_cannot_be_started_stays_as_it_is(world: RunningWorld, status: VersionStatus, code: str) -> None:
    world.force(world.arn, status)
    members = {"ProjectVersionArn": world.arn, "MinInferenceUnits": 1}
    error = asyncio.run(world.refused("StartProjectVersion", **members))
    assert (error.code, f"is {status}" in error.message) == (code, True)
    assert world.version().status is status


@pytest.mark.parametrize("status", sorted(set(S) - {S.RUNNING, S.STARTING}))
def test_what_does_not_run_cannot_be_stopped(world: RunningWorld, status: VersionStatus) -> None:
    world.force(world.arn, status)
    error = asyncio.run(world.refused("StopProjectVersion", ProjectVersionArn=world.arn))
    assert (error.code, f"is {status}" in error.message) == ("ResourceInUseException", True)
    assert world.version().status is status


def test_a_version_that_is_starting_can_be_stopped(world: RunningWorld) -> None:
    async def scenario() -> None:
        await world.start()
        await world.deployed()
        await world.stop()
        world.fleet.ready[world.arn]()
        await world.becomes(S.STOPPED)
        assert not world.hosting.serving(ACCOUNT, REGION, world.arn)

    play(world, scenario)


def test_units_have_an_order_and_a_limit(world: RunningWorld) -> None:
    members = {"ProjectVersionArn": world.arn, "MinInferenceUnits": 2}
    error = asyncio.run(world.refused("StartProjectVersion", **members, MaxInferenceUnits=1))
    assert (error.code, "MaxInferenceUnits 1" in error.message) == ("InvalidParameterException", True)
    for units in ({"MinInferenceUnits": 6}, {"MinInferenceUnits": 1, "MaxInferenceUnits": 6}):
        error = asyncio.run(world.refused("StartProjectVersion", **{**members, **units}))
        assert (error.code, "6 inference units" in error.message) == ("LimitExceededException", True)
        assert "the setting inference_units" in error.message
    assert world.version().status is S.TRAINING_COMPLETED


@pytest.mark.parametrize(
    "units", [{"MinInferenceUnits": 5}, {"MinInferenceUnits": 1, "MaxInferenceUnits": 5}], ids=["fixed", "at most"]
)
def test_as_many_units_as_the_quota_allows(world: RunningWorld, units: dict[str, int]) -> None:
    async def scenario() -> None:
        assert await world.start(**units) == {"Status": "STARTING"}
        await world.deployed()
        deployment = world.fleet.deployed[world.arn]
        assert (deployment.min_units, deployment.max_units) == (units["MinInferenceUnits"], 5)

    play(world, scenario)


def test_no_more_models_run_than_may(tmp_path: Path) -> None:
    world = RunningWorld(tmp_path, Limits(running=1))
    other = world.trained("plants")

    async def scenario() -> None:
        await world.running()
        members = {"ProjectVersionArn": other, "MinInferenceUnits": 1}
        full = await world.refused("StartProjectVersion", **members)
        assert (full.code, "the setting label_running" in full.message) == ("LimitExceededException", True)
        world.fleet.drained.clear()
        await world.stop()
        assert (await world.refused("StartProjectVersion", **members)).code == "LimitExceededException"
        world.fleet.drained.set()
        await world.becomes(S.STOPPED)
        await world.running(other)

    play(world, scenario)
    world.store.close()


def test_a_stop_waits_for_requests_in_flight_and_others_do_not_wait_for_it(world: RunningWorld) -> None:
    other = world.trained("plants")

    async def scenario() -> None:
        await world.running()
        world.fleet.drained.clear()
        await world.stop()
        await world.running(other)
        assert world.version().status is S.STOPPING
        members = {"ProjectVersionArn": world.arn}
        assert (await world.refused("StartProjectVersion", **members, MinInferenceUnits=1)).code == (
            "ResourceInUseException"
        )
        world.fleet.drained.set()
        await world.becomes(S.STOPPED)

    play(world, scenario)


@pytest.mark.parametrize("asked", [False, True])
def test_units_that_do_not_come_up_fail_the_version_with_a_reason(world: RunningWorld, asked: bool) -> None:
    async def scenario() -> None:
        if asked:
            world.fleet.refuses = OSError("no memory")
        await world.start()
        if not asked:
            await world.deployed()
            world.fleet.failed[world.arn]("no memory")
        failed = await world.becomes(S.FAILED)
        assert failed.message == "The model could not be started. no memory"
        assert (failed.min_units, failed.max_units) == (None, None)
        world.fleet.refuses = None
        await until(lambda: world.arn not in world.fleet.deployed)
        await world.running()

    play(world, scenario)


def test_a_model_whose_units_do_not_come_back_is_not_said_to_have_never_run(world: RunningWorld) -> None:
    async def scenario() -> None:
        await world.running()
        world.fleet.failed[world.arn]("it was killed by SIGKILL")
        failed = await world.becomes(S.FAILED)
        assert failed.message == "The model stopped running. it was killed by SIGKILL"

    play(world, scenario)


@pytest.mark.parametrize(
    ("before", "after"), [(S.RUNNING, S.RUNNING), (S.STARTING, S.RUNNING), (S.STOPPING, S.STOPPED)]
)
def test_a_restart_takes_up_where_the_rows_are(
    world: RunningWorld, before: VersionStatus, after: VersionStatus
) -> None:
    world.force(world.arn, before, min_units=1, max_units=2)

    async def scenario() -> None:
        if after is S.RUNNING:
            assert world.fleet.deployed[world.arn].max_units == 2
            assert world.hosting.serving(ACCOUNT, REGION, world.arn) is (before is S.RUNNING)
            world.fleet.ready[world.arn]()
        else:
            assert world.fleet.deployed == {}
        await world.becomes(after)
        if after is S.RUNNING:
            assert await world.detect()

    play(world, scenario)


def test_a_running_version_that_does_not_come_back_is_failed(world: RunningWorld) -> None:
    world.force(world.arn, S.RUNNING, min_units=1)

    async def scenario() -> None:
        world.fleet.failed[world.arn]("the artifact is damaged")
        assert "damaged" in (await world.becomes(S.FAILED)).message
        members = {"ProjectVersionArn": world.arn, "Image": {"Bytes": b"image"}}
        assert (await world.refused("DetectCustomLabels", **members)).code == "ResourceNotReadyException"

    play(world, scenario)


@pytest.mark.parametrize("name", ["StartProjectVersion", "StopProjectVersion", "DetectCustomLabels"])
def test_a_version_that_is_not_there_or_anothers_is_not_found(world: RunningWorld, name: str) -> None:
    more = {
        "StartProjectVersion": {"MinInferenceUnits": 1},
        "StopProjectVersion": {},
        "DetectCustomLabels": {"Image": {"Bytes": b"image"}},
    }[name]

    async def scenario() -> None:
        await world.running()
        for arn in (world.arn.replace("v1", "v2"), world.arn[:-1] + "9", world.arn.replace("/pets/", "/cats/")):
            error = await world.refused(name, ProjectVersionArn=arn, **more)
            assert (error.code, arn in error.message) == ("ResourceNotFoundException", True)
        for account, region in ((OTHER_ACCOUNT, REGION), (ACCOUNT, "us-east-1")):
            error = await world.refused(name, account, region, ProjectVersionArn=world.arn, **more)
            assert error.code == "ResourceNotFoundException"
        assert world.version().status is S.RUNNING

    play(world, scenario)


@pytest.mark.parametrize("partition", ["aws-cn", "other"])
def test_an_arn_of_another_partition_is_no_parameter(world: RunningWorld, partition: str) -> None:
    arn = world.arn.replace("arn:aws:", f"arn:{partition}:")
    error = asyncio.run(world.refused("StopProjectVersion", ProjectVersionArn=arn))
    assert (error.code, arn in error.message) == ("InvalidParameterException", True)
