"""The autoscaler over endpoints that really run, with a clock that the test winds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from endpoint_stage import SCOPE, Stage, play

from relook.aws.errors import ServiceError
from relook.services.autoscaling.autoscaler import Autoscaler
from relook.services.autoscaling.policies import Policies
from relook.services.autoscaling.targets import Targets
from relook.services.sagemaker.scaling import VariantScaling
from relook.store import autoscaling as rows

RESOURCE = "endpoint/busy/variant/AllTraffic"
NAMED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
METRIC = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


class Clock:
    """Milliseconds, at the beginning of a minute until it is wound."""

    def __init__(self) -> None:
        self.now = 1_700_000_040_000

    def __call__(self) -> int:
        return self.now

    def wind(self, minutes: float = 1) -> None:
        self.now += int(minutes * 60_000)


class World:
    """Autoscaling over a stage of endpoints."""

    def __init__(self, stage: Stage, clock: Clock) -> None:
        self.stage, self.clock = stage, clock
        self.scaling = VariantScaling(stage.store, stage.endpoints, stage.hosting)
        self.targets, self.policies = Targets(stage.store, self.scaling), Policies(stage.store)
        self.scaler = Autoscaler(stage.store, self.scaling, clock=clock)

    def register(self, **members: Any) -> None:
        self.targets.register(self.stage.context(), NAMED | members)

    def track(self, target: float, **more: Any) -> None:
        configuration = METRIC | {"TargetValue": target} | more
        given = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling"}
        self.policies.put(
            self.stage.context(), NAMED | given | {"TargetTrackingScalingPolicyConfiguration": configuration}
        )

    def activities(self) -> list[tuple[str, str]]:
        """What each says and how it stands, the newest first."""
        found = self.targets.activities(self.stage.context(), {"ServiceNamespace": "sagemaker"})["ScalingActivities"]
        return [(each["Description"], each["StatusCode"]) for each in found]

    async def look(self) -> None:
        await asyncio.to_thread(self.scaler.look)

    async def minutes(self, count: int, requests: int = 0) -> None:
        """So many minutes pass, with so many requests in each."""
        for _ in range(count):
            for _ in range(requests):
                await self.stage.ask("busy", b"x")
            self.clock.wind()

    async def settled(self) -> int:
        """The number of instances once nothing changes any more; those taken away are drained after the change."""
        while True:
            (told,) = (await self.stage.becomes("busy", "InService"))["ProductionVariants"]
            if told["CurrentInstanceCount"] == told["DesiredInstanceCount"]:
                return int(told["CurrentInstanceCount"])
            await asyncio.sleep(0.005)


def run(folder: Path, scenario: Any, **options: Any) -> None:
    clock = Clock()

    async def in_world(stage: Stage) -> None:
        await stage.serving("busy")
        await scenario(World(stage, clock))

    play(folder, in_world, clock=clock, **options)


def setting(count: int) -> str:
    return f"Setting desired instance count to {count}."


def test_out_under_load_and_in_again_when_it_is_over(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=1, MaxCapacity=3)
        world.track(2.0)
        await world.minutes(2, requests=5)
        await world.look()
        assert await world.settled() == 1
        await world.minutes(1, requests=5)
        await world.look()
        assert await world.settled() == 3
        assert world.activities() == [(setting(3), "InProgress")]
        await world.minutes(14)
        await world.look()
        assert (world.activities(), await world.settled()) == ([(setting(3), "Successful")], 3)
        await world.minutes(1)
        await world.look()
        assert await world.settled() == 1
        await world.look()
        assert world.activities() == [(setting(1), "Successful"), (setting(3), "Successful")]

    run(tmp_path, scenario)


def test_cooldowns_are_kept_in_the_rows(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=1, MaxCapacity=4)
        world.track(2.0, ScaleOutCooldown=240)
        await world.minutes(3, requests=3)
        await world.look()
        assert await world.settled() == 2
        world.scaler = Autoscaler(world.stage.store, world.scaling, clock=world.clock)  # as after a restart
        await world.minutes(3, requests=10)
        await world.look()
        assert await world.settled() == 2
        await world.minutes(1, requests=10)
        await world.look()
        assert await world.settled() == 4

    run(tmp_path, scenario)


def test_minutes_in_which_nobody_counted_take_no_instance_away(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=1, MaxCapacity=3)
        await asyncio.to_thread(world.stage.endpoints.scale, SCOPE, "busy", "AllTraffic", 2)
        assert await world.settled() == 2
        world.track(100.0)
        await world.minutes(15)
        world.scaler = Autoscaler(world.stage.store, world.scaling, clock=world.clock)
        await world.look()
        assert await world.settled() == 2
        await world.minutes(15)
        await world.look()
        assert await world.settled() == 1

    run(tmp_path, scenario)


def test_bounds_are_kept_without_a_policy(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=2, MaxCapacity=3)
        await world.look()
        assert await world.settled() == 2
        world.register(MinCapacity=1, MaxCapacity=1, SuspendedState={"DynamicScalingInSuspended": True})
        await world.look()
        assert await world.settled() == 2
        world.register(SuspendedState={"DynamicScalingInSuspended": False})
        await world.look()
        assert await world.settled() == 1

    run(tmp_path, scenario)


def test_what_fails_is_told_once_and_tried_again_later(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=5, MaxCapacity=9)
        for _ in range(3):
            await world.look()
        assert world.activities() == [(setting(5), "Failed")]
        with world.stage.store.read() as connection:
            (activity,) = rows.list_activities(connection, SCOPE, limit=9)
        assert "service limit" in (activity.message or "")
        world.clock.wind(5)
        await world.look()
        assert len(world.activities()) == 2
        assert await world.settled() == 1

    run(tmp_path, scenario, instances=2)


def test_a_target_goes_with_its_variant(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=1, MaxCapacity=2)
        world.track(1.0)
        await world.look()
        await world.stage.delete("busy")
        await world.stage.gone("busy")
        await world.look()
        listed = world.targets.describe(world.stage.context(), {"ServiceNamespace": "sagemaker"})
        assert listed["ScalableTargets"] == []
        with pytest.raises(ServiceError, match="There is no production variant"):
            world.register(MinCapacity=1, MaxCapacity=2)

    run(tmp_path, scenario)


def test_a_change_that_somebody_else_undid_is_told_as_failed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=2, MaxCapacity=3)
        await world.look()
        await world.settled()
        await asyncio.to_thread(world.stage.endpoints.scale, SCOPE, "busy", "AllTraffic", 3)
        await world.settled()
        await world.look()
        assert world.activities() == [(setting(2), "Failed")]

    run(tmp_path, scenario)


def test_a_change_is_told_as_done_though_its_target_is_gone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.register(MinCapacity=2, MaxCapacity=3)
        await world.look()
        world.targets.deregister(world.stage.context(), NAMED)
        assert await world.settled() == 2
        await world.look()
        assert world.activities() == [(setting(2), "Successful")]

    run(tmp_path, scenario)


def test_a_change_and_its_activity_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill between the two would leave: neither."""

    def killed(*arguments: Any) -> None:
        raise RuntimeError("killed")

    async def scenario(world: World) -> None:
        world.register(MinCapacity=2, MaxCapacity=3)
        with monkeypatch.context() as patched:
            patched.setattr(rows, "add_activity", killed)
            await world.look()
        assert (await world.settled(), world.activities()) == (1, [])
        await world.look()
        assert (await world.settled(), world.activities()) == (2, [(setting(2), "InProgress")])

    run(tmp_path, scenario)


def test_trouble_with_one_target_is_nothing_to_the_others(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.stage.serving("other")
        world.register(MinCapacity=1, MaxCapacity=3)
        world.register(MinCapacity=2, MaxCapacity=3, ResourceId="endpoint/other/variant/AllTraffic")
        with world.stage.store.write() as connection:
            (first, _) = rows.every_target(connection)
            rows.put_policy(connection, first, "damaged", {}, 0)
        await world.look()
        assert world.activities() == [(setting(2), "InProgress")]

    run(tmp_path, scenario)
