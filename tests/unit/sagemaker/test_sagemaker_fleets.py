from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from endpoint_stage import SCOPE, Lines, until
from process_starter import ProcessInstance, ProcessStarter

from relook.containers.serving.api import Launch, StartFailed
from relook.core.deployments import Routing, Variant
from relook.core.serving import ContainerDefinition, ModelDefinition
from relook.services.sagemaker import fleets, launches
from relook.services.sagemaker.fleets import Busy, Fleet, NotReady, Retired
from relook.services.sagemaker.invocation_counts import InvocationCounts
from relook.services.sagemaker.launches import HostingOptions, Launcher

_LAUNCH = Launch("x", "000000000000", ModelDefinition("m", (ContainerDefinition("test"),)))


def play(scenario: Callable[[ProcessStarter], Awaitable[None]]) -> None:
    async def run() -> None:
        starter = ProcessStarter()
        await scenario(starter)
        await until(lambda: not starter.running)

    asyncio.run(run())


def maker(starter: ProcessStarter) -> Callable[[], Awaitable[ProcessInstance]]:
    return lambda: starter.start(_LAUNCH, lambda container, line: None)


def nothing() -> None:
    """Nobody asks."""


def test_a_request_waits_for_the_first_instance() -> None:
    async def scenario(starter: ProcessStarter) -> None:
        starter.gate.clear()
        fleet = Fleet(maker(starter), nothing, size=1)
        with pytest.raises(NotReady, match="still starting"):
            async with fleet.lease(0.01, 1.0):
                pass
        starter.gate.set()
        async with fleet.lease(200.0, 1.0) as lease:
            assert lease.instance.healthy
        await fleet.close()

    play(scenario)


def test_who_waits_keeps_a_fleet_from_being_idle() -> None:
    """Also in the moment in which the instance is there and the request has not taken it."""

    async def scenario(starter: ProcessStarter) -> None:
        busy: list[bool] = []
        asked: list[bool] = []

        async def ask() -> None:
            async with fleet.lease(200.0, 1.0):
                asked.append(fleet.busy)

        def changed() -> None:
            if fleet.ready:
                busy.append(fleet.busy and not asked)

        fleet = Fleet(maker(starter), changed, size=1, asleep=True)
        assert not fleet.busy
        await ask()
        assert (busy, asked) == ([True], [True])
        assert not fleet.busy
        fleet.sleep()
        starter.gate.clear()
        with pytest.raises(NotReady):
            async with fleet.lease(0.01, 1.0):
                pass
        assert not fleet.busy
        starter.gate.set()
        await fleet.close()

    play(scenario)


def test_failed_starts_are_tried_again_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(fleets, "_LONGEST_PAUSE", 0.004)

    async def scenario(starter: ProcessStarter) -> None:
        tries = 0

        async def make() -> ProcessInstance:
            nonlocal tries
            tries += 1
            if tries < 4:
                raise StartFailed(f"try {tries}")
            if tries == 4:
                raise ValueError("a mistake of ours")
            return await maker(starter)()

        fleet = Fleet(make, nothing, size=1)
        await until(lambda: fleet.fault == "try 3")
        assert not fleet.settled
        await until(lambda: fleet.settled)
        assert (tries, fleet.fault) == (5, None)
        await fleet.close()

    play(scenario)


@pytest.mark.parametrize("way", ["raises", "hangs"])
def test_an_end_that_goes_wrong_leaves_no_place_empty(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(fleets, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(fleets, "_STOP_SECONDS", 0.05)

    async def scenario(starter: ProcessStarter) -> None:
        async def broken() -> None:
            if way == "raises":
                raise RuntimeError("a mistake of ours")
            await asyncio.Event().wait()

        fleet = Fleet(maker(starter), nothing, size=1)
        await until(lambda: fleet.ready == 1)
        (first,) = starter.instances
        monkeypatch.setattr(first, "stop", broken)
        first.process.kill()
        await until(lambda: len(starter.instances) == 2 and fleet.ready == 1)
        await fleet.close()
        assert fleet.gone

    play(scenario)


def test_starts_that_take_long_let_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launches, "_TURN_SECONDS", 0.2)

    async def scenario(starter: ProcessStarter) -> None:
        launcher = Launcher(starter, Lines(), HostingOptions())
        variant = Variant("v", "fleet", _LAUNCH.model)
        starter.gate.clear()
        for _ in range(2):
            starts = [asyncio.create_task(launcher.start(SCOPE, "e", variant)) for _ in range(9)]
            await until(lambda: len(starter.launched) % 9 == 4)
            await until(lambda: len(starter.launched) % 9 == 8)
            starter.gate.set()
            for instance in await asyncio.gather(*starts):
                await instance.stop()
            starter.gate.clear()

    play(scenario)


def test_whoever_waits_is_told_when_the_fleet_retires() -> None:
    async def scenario(starter: ProcessStarter) -> None:
        starter.gate.clear()
        fleet = Fleet(maker(starter), nothing, size=1)
        waiting = asyncio.create_task(fleet.lease(200.0, 1.0).__aenter__())
        await until(lambda: bool(starter.launched))
        fleet.retire()
        with pytest.raises(Retired):
            await waiting
        await until(lambda: fleet.gone)

    play(scenario)


def test_a_retired_instance_ends_after_its_last_request_or_its_time() -> None:
    async def scenario(starter: ProcessStarter) -> None:
        fleet = Fleet(maker(starter), nothing, size=1)
        async with fleet.lease(200.0, 200.0):
            fleet.retire()
            assert not fleet.gone
            assert len(starter.running) == 1
        await until(lambda: fleet.gone)
        hurried = Fleet(maker(starter), nothing, size=1)
        async with hurried.lease(200.0, 200.0):
            hurried.retire(within=0.01)
            await until(lambda: hurried.gone)

    play(scenario)


def test_an_instance_takes_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "MOST_OUTSTANDING", 1)

    async def scenario(starter: ProcessStarter) -> None:
        fleet = Fleet(maker(starter), nothing, size=1)
        async with fleet.lease(200.0, 1.0):
            with pytest.raises(Busy, match="1 requests wait"):
                async with fleet.lease(200.0, 1.0):
                    pass
        await fleet.close()

    play(scenario)


def test_sessions_stay_with_their_instance() -> None:
    async def scenario(starter: ProcessStarter) -> None:
        fleet = Fleet(maker(starter), nothing, size=3)
        await until(lambda: fleet.settled)
        async with fleet.lease(1.0, 1.0) as first:
            first.bind("mine")
            async with fleet.lease(1.0, 1.0, "mine") as second:
                assert second.instance is first.instance
            async with fleet.lease(1.0, 1.0, "unknown") as other:
                assert other.instance is not first.instance
            first.release("mine")
            async with fleet.lease(1.0, 1.0, "mine") as third:
                assert third.instance is not first.instance
        await fleet.close()

    play(scenario)


def test_random_routing_asks_every_instance() -> None:
    async def scenario(starter: ProcessStarter) -> None:
        fleet = Fleet(maker(starter), nothing, size=3, routing=Routing.RANDOM, chance=random.Random(1))
        await until(lambda: fleet.settled)
        seen = set()
        for _ in range(40):
            async with fleet.lease(1.0, 1.0) as lease:
                seen.add(lease.instance)
        assert seen == set(starter.running)
        await fleet.close()

    play(scenario)


def test_counts_are_told_by_whole_minutes() -> None:
    now = [600.0]
    counts = InvocationCounts(lambda: now[0])
    for moment in (600.0, 659.0, 660.0, 725.0):
        now[0] = moment
        counts.add()
    assert counts.last(2) == [2, 1]  # the minute under way is left out
    now[0] = 720.0 + 60
    assert counts.last(3) == [2, 1, 1]
    now[0] += 3600
    assert counts.last(1) == [0]
