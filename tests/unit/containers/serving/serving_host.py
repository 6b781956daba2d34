"""Instances for the tests, on an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from serving_archives import ACCOUNT

from relook.containers.serving.api import Invocation, Launch
from relook.containers.serving.instance import InstanceStarter, ModelInstance
from relook.containers.serving.running import Health
from relook.core.serving import ContainerDefinition, ModelDefinition

QUICK = Health(ping_timeout=2.0, ping_every=0.02, missed=3, busy=0.5, stop_grace=5.0)


class Host:
    """Starts instances, and keeps what their containers print."""

    def __init__(self, starter: InstanceStarter) -> None:
        self._starter = starter
        self._instances: list[ModelInstance] = []
        self.lines: list[tuple[str, str]] = []

    async def start(self, *containers: ContainerDefinition, direct: bool = False, **more: Any) -> ModelInstance:
        model = ModelDefinition("model", containers, direct)
        launch = replace(Launch("test", ACCOUNT, model, startup_timeout=20.0), **more)
        instance = await self._starter.start(launch, lambda label, line: self.lines.append((label, line)))
        self._instances.append(instance)
        return instance

    async def stop(self) -> None:
        """What a failed test has left running; uvloop would never close over its connections."""
        for instance in self._instances:
            await instance.stop()


Hosted = Callable[..., None]


def container(**environment: str) -> ContainerDefinition:
    return ContainerDefinition("image", environment={"NAME": "a", **environment})


def ask(what: str = "echo", body: bytes = b"body", **more: Any) -> Invocation:
    return Invocation(body, custom_attributes=what, timeout=more.pop("timeout", 20.0), **more)


@asynccontextmanager
async def running(host: Host, *containers: ContainerDefinition, **more: Any) -> AsyncIterator[ModelInstance]:
    instance = await host.start(*containers, **more)
    try:
        assert instance.healthy
        yield instance
    finally:
        await instance.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)
