"""The fleet of this machine: every hosted model a pool of processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

from relook.fleet.api import Deployment, NotDeployed
from relook.fleet.hosted import HostedModel
from relook.fleet.settings import FleetSettings
from relook.vision.serving import AnyPrediction

UNIT_COMMAND = (sys.executable, "-m", "relook.fleet.unit")


class LocalFleet:
    """Implements `fleet.api.Fleet`. Use it on the thread of one event loop, which the units do not outlive.

    `command` starts a unit; `--artifact`, `--fd`, `--parent`, `--threads` and `--device` are appended (see
    `relook.fleet.unit`).
    """

    def __init__(
        self,
        settings: FleetSettings = FleetSettings(),  # noqa: B008 (frozen)
        command: Sequence[str] = UNIT_COMMAND,
    ) -> None:
        self._settings = settings
        self._command = tuple(command)
        self._models: dict[str, HostedModel] = {}
        self._ending: set[HostedModel] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def deploy(
        self,
        deployment: Deployment,
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """See `Fleet`. ValueError if the name is deployed already, or the numbers of units make no sense."""
        if deployment.name in self._models:
            raise ValueError(f"{deployment.name} is deployed already: undeploy it first")
        if not 1 <= deployment.min_units <= deployment.max_units:
            raise ValueError(
                f"{deployment.name}: {deployment.min_units} to {deployment.max_units} inference units: "
                "the minimum must be at least 1 and at most the maximum"
            )

        def failed(reason: str) -> None:
            if self._models.get(deployment.name) is model:
                del self._models[deployment.name]
            self._reap(model)
            on_failed(reason)

        model = HostedModel(deployment, self._command, self._settings, on_ready, failed)
        self._models[deployment.name] = model

    def _reap(self, model: HostedModel) -> None:
        """Remember a failed model until its processes have gone."""
        self._ending.add(model)
        task = asyncio.get_running_loop().create_task(model.close("it has failed"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._ending.discard(model))

    async def undeploy(self, name: str) -> None:
        """See `Fleet`."""
        model = self._models.pop(name, None)
        if model is None:
            return
        self._ending.add(model)
        try:
            await model.drain()
        finally:
            self._ending.discard(model)

    def units(self, name: str) -> int:
        """See `Fleet`."""
        model = self._models.get(name)
        return 0 if model is None else model.ready_units

    async def predict(self, name: str, image: bytes, min_confidence: float | None = None) -> AnyPrediction:
        """See `Fleet`."""
        model = self._models.get(name)
        if model is None:
            raise NotDeployed(f"{name} is not hosted: start the model first")
        return await model.predict(image, min_confidence)

    async def close(self) -> None:
        """See `Fleet`."""
        models = {*self._models.values(), *self._ending}
        self._models.clear()
        if models:
            await asyncio.gather(*(model.close("the server is stopping") for model in models))
        self._ending.clear()
