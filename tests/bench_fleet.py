"""A stand-in for the fleet, where a test is about who asks it and what becomes of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relook.fleet.api import Deployment, NotDeployed
from relook.vision.samples import Prediction
from relook.vision.serving import AnyPrediction


class BenchFleet:
    """A fleet whose pools come up, fail and drain when the test says so; it gives every image the same answer."""

    def __init__(self) -> None:
        self.deployed: dict[str, Deployment] = {}
        self.ready: dict[str, Callable[[], None]] = {}
        self.failed: dict[str, Callable[[str], None]] = {}
        self.undeployed: list[str] = []
        self.images: list[bytes] = []
        self.answer: AnyPrediction | Exception = Prediction(0.9, 0.5, True, 0.9, 4, 4)
        self.drained = asyncio.Event()
        self.drained.set()
        self.refuses: Exception | None = None

    def deploy(self, deployment: Deployment, on_ready: Callable[[], None], on_failed: Callable[[str], None]) -> None:
        if self.refuses is not None:
            raise self.refuses
        assert deployment.name not in self.deployed, "deployed twice"
        self.deployed[deployment.name] = deployment
        self.ready[deployment.name] = on_ready
        self.failed[deployment.name] = on_failed

    async def undeploy(self, name: str) -> None:
        await self.drained.wait()
        self.undeployed.append(name)
        self.deployed.pop(name, None)

    def units(self, name: str) -> int:
        return self.deployed[name].min_units if name in self.deployed else 0

    async def predict(self, name: str, image: bytes, min_confidence: float | None = None) -> AnyPrediction:
        if name not in self.deployed:
            raise NotDeployed(name)
        self.images.append(image)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.deployed.clear()
