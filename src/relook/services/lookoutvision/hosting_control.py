"""The controller that makes what runs agree with what the rows say: it alone ends STARTING_ and STOPPING_HOSTING."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relook.core.names import ModelName
from relook.core.states import ModelStatus
from relook.fleet.api import Deployment, Fleet
from relook.services.lookoutvision import messages
from relook.store import lookoutvision_models as models
from relook.store.engine import Store
from relook.store.lookoutvision_models import Model
from relook.vision.samples import Prediction

_log = logging.getLogger(__name__)
_SERVED = frozenset({ModelStatus.HOSTED, ModelStatus.SYSTEM_UPDATING})
_WANTED = _SERVED | {ModelStatus.STARTING_HOSTING}
_RETRY_SECONDS = 1.0

Address = tuple[str, str, str, str]


@dataclass(eq=False, slots=True)
class _Pool:
    """A deployment of this server's life. `ending` once it is being taken down; `reason` if that is a failure."""

    model_id: int
    name: ModelName
    ending: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    pool: _Pool


@dataclass(frozen=True, slots=True)
class _Failed:
    pool: _Pool
    reason: str


@dataclass(frozen=True, slots=True)
class _Ended:
    pool: _Pool


class Hosting:
    """Reconciles the rows of models with the fleet, in one task.

    The fleet's callbacks only leave events; rows are changed by this task and, into STARTING_HOSTING and
    STOPPING_HOSTING, by StartModel and StopModel, so nothing here acts on a state that is already past. An event
    stays until the change it stands for is committed.
    """

    def __init__(self, store: Store, fleet: Fleet, artifacts: Path) -> None:
        self._store = store
        self._fleet = fleet
        self._artifacts = artifacts
        self._pools: dict[int, _Pool] = {}
        self._serving: dict[Address, str] = {}
        self._events: deque[_Ready | _Failed | _Ended] = deque()
        self._undeploys: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Deploy again what was hosted, finish what was stopping, and go on from there."""
        self._loop = asyncio.get_running_loop()
        await self._reconcile()
        self._task = asyncio.create_task(self._run(), name="lookoutvision-hosting")

    async def close(self) -> None:
        """Stop reconciling. Rows stay as they are: HOSTED models come back at the next start."""
        self._loop = None
        self._serving.clear()
        tasks = [*self._undeploys, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    def notify(self) -> None:
        """Rows have changed. Callable from any thread, also before `start` and after `close`."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:
                _log.debug("the event loop has closed: the next start will see the change")

    def serving(self, account: str, region: str, project: str, version: str) -> str | None:
        """The ARN to give to `predict` if this model is hosted, by memory alone; None says nothing for certain."""
        return self._serving.get((account, region, project, version))

    def withdraw(self, name: ModelName) -> None:
        """Send no more requests to a model. Callable from any thread."""
        self._serving.pop(_address(name), None)

    async def predict(self, arn: str, image: bytes) -> Prediction:
        """One image through the model; raises FleetError."""
        return await self._fleet.predict(arn, image)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._reconcile()
            except Exception:
                _log.exception("hosting: could not bring models to the state they should be in; trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()

    async def _reconcile(self) -> None:
        while self._events:
            await self._handle(self._events[0])
            self._events.popleft()
        for model in await asyncio.to_thread(self._rows):
            pool = self._pools.get(model.id)
            if model.status in _WANTED:
                if pool is None:
                    self._deploy(model)
            elif pool is not None:
                self._end(pool)
            else:
                await self._change(model.id, ModelStatus.TRAINED, messages.MODEL_TRAINED)

    def _rows(self) -> list[Model]:
        with self._store.read() as connection:
            return models.in_status(connection, _WANTED | {ModelStatus.STOPPING_HOSTING})

    def _deploy(self, model: Model) -> None:
        pool = self._pools[model.id] = _Pool(model.id, model.name)
        if model.status in _SERVED:
            self._serving[_address(model.name)] = str(model.name)
        lowest = model.min_units or 1
        deployment = Deployment(
            name=str(model.name),
            artifact=self._artifacts / (model.artifact or ""),
            min_units=lowest,
            max_units=model.max_units or lowest,
        )
        try:
            self._fleet.deploy(deployment, partial(self._leave, _Ready(pool)), partial(self._leave_failure, pool))
        except Exception as error:
            _log.exception("hosting: %s could not be deployed", model.name)
            self._leave_failure(pool, str(error))

    def _leave(self, event: _Ready | _Failed | _Ended) -> None:
        self._events.append(event)
        self._wake.set()

    def _leave_failure(self, pool: _Pool, reason: str) -> None:
        self._leave(_Failed(pool, reason))

    async def _handle(self, event: _Ready | _Failed | _Ended) -> None:
        pool = event.pool
        if self._pools.get(pool.model_id) is not pool:
            return
        match event:
            case _Ready() if not pool.ending:
                if await self._change(pool.model_id, ModelStatus.HOSTED, messages.MODEL_HOSTED):
                    self._serving[_address(pool.name)] = str(pool.name)
            case _Failed(reason=reason) if not pool.ending:
                pool.reason = reason
                self._end(pool)
            case _Ended():
                await self._ended(pool)

    def _end(self, pool: _Pool) -> None:
        """Take a pool down; draining may last, so other models do not wait for it."""
        self.withdraw(pool.name)
        if not pool.ending:
            pool.ending = True
            task = asyncio.create_task(self._undeploy(pool))
            self._undeploys.add(task)
            task.add_done_callback(self._undeploys.discard)

    async def _undeploy(self, pool: _Pool) -> None:
        try:
            await self._fleet.undeploy(str(pool.name))
        except Exception:
            _log.exception("hosting: %s did not end cleanly", pool.name)
        self._leave(_Ended(pool))

    async def _ended(self, pool: _Pool) -> None:
        if pool.reason is None:
            await self._change(pool.model_id, ModelStatus.TRAINED, messages.MODEL_TRAINED)
        else:
            message = f"{messages.MODEL_HOSTING_FAILED} {pool.reason}"
            await self._change(pool.model_id, ModelStatus.HOSTING_FAILED, message)
        del self._pools[pool.model_id]

    async def _change(self, model_id: int, status: ModelStatus, message: str) -> bool:
        return await asyncio.to_thread(self._write, model_id, status, message)

    def _write(self, model_id: int, status: ModelStatus, message: str) -> bool:
        units = {} if status in _WANTED else {"min_units": None, "max_units": None}
        with self._store.write() as connection:
            return models.change_status(connection, model_id, status, message, **units)


def _address(name: ModelName) -> Address:
    return (name.scope.account, name.scope.region, name.project, str(name.version))
