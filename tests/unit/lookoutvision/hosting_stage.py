"""A world with a trained model and a running controller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from lookout_world import ACCOUNT, REGION, Incoming, World

ARN = f"arn:aws:lookoutvision:{REGION}:{ACCOUNT}:model/p/1"
MODEL = {"ProjectName": "p", "ModelVersion": "1"}
START_ONE = {**MODEL, "MinInferenceUnits": 1}
JPEG = {"ContentType": "image/jpeg"}


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
