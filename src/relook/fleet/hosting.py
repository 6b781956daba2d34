"""The controller that makes what runs agree with what rows say, for every service whose models are hosted."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Protocol

from relook.fleet.api import Deployment, Fleet
from relook.vision.serving import AnyPrediction

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class Wish(Enum):
    """What a row asks for."""

    START = auto()
    """Bring it up; requests are answered once it is."""
    SERVE = auto()
    """It was up when the row was written: bring it up again where it is not, and let requests wait for it."""
    STOP = auto()
    """Take it down."""


class Outcome(Enum):
    """What has become of a wish."""

    RUNNING = auto()
    STOPPED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class HostedRow:
    """A model whose hosting is wanted or is to end.

    `name` is unique among all services of a server (an ARN); `address` is what requests find it by: it says who may
    ask, so no two accounts share one.
    """

    id: int
    name: str
    address: Hashable
    artifact: Path
    min_units: int
    max_units: int
    wish: Wish


class HostingRows(Protocol):
    """A service's rows; the methods block, and what they write is committed when they return."""

    def active(self) -> Sequence[HostedRow]:
        """Every row with a wish, oldest first."""
        ...

    def settle(self, row_id: int, outcome: Outcome, reason: str) -> bool:
        """Write down an outcome, `reason` that of a failure; False where the row has moved on and it is void."""
        ...


@dataclass(eq=False, slots=True)
class _Pool:
    """A deployment of this server's life. `ending` once it is being taken down; `reason` if that is a failure."""

    row: HostedRow
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


class Controller:
    """Reconciles the rows of one service with the fleet, in one task; it alone fulfils their wishes.

    The fleet's callbacks only leave events; rows are changed by this task and, into a wish to start or to stop, by the
    service's operations, so nothing here acts on a state that is already past. An event stays until the change it
    stands for is committed.
    """

    def __init__(self, fleet: Fleet, rows: HostingRows, task_name: str) -> None:
        self._fleet = fleet
        self._rows = rows
        self._task_name = task_name
        self._pools: dict[int, _Pool] = {}
        self._serving: dict[Hashable, str] = {}
        self._events: deque[_Ready | _Failed | _Ended] = deque()
        self._undeploys: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Deploy again what was running, finish what was stopping, and go on from there."""
        self._loop = asyncio.get_running_loop()
        await self._reconcile()
        self._task = asyncio.create_task(self._run(), name=self._task_name)

    async def close(self) -> None:
        """Stop reconciling. Rows stay as they are: what runs comes back at the next start."""
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

    def serving_at(self, address: Hashable) -> str | None:
        """The name to give to `predict` if a model runs there, by memory alone; None says nothing for certain."""
        return self._serving.get(address)

    def withdraw_at(self, address: Hashable) -> None:
        """Send no more requests there. Callable from any thread."""
        self._serving.pop(address, None)

    async def predict(self, name: str, image: bytes, min_confidence: float | None = None) -> AnyPrediction:
        """One image through the model, as `Fleet.predict`; raises FleetError."""
        return await self._fleet.predict(name, image, min_confidence)

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
        for row in await asyncio.to_thread(self._rows.active):
            pool = self._pools.get(row.id)
            if row.wish is not Wish.STOP:
                if pool is None:
                    self._deploy(row)
            elif pool is not None:
                self._end(pool)
            else:
                await self._settle(row.id, Outcome.STOPPED)

    def _deploy(self, row: HostedRow) -> None:
        pool = self._pools[row.id] = _Pool(row)
        if row.wish is Wish.SERVE:
            self._serving[row.address] = row.name
        deployment = Deployment(row.name, row.artifact, row.min_units, row.max_units)
        try:
            self._fleet.deploy(deployment, partial(self._leave, _Ready(pool)), partial(self._leave_failure, pool))
        except Exception as error:
            _log.exception("hosting: %s could not be deployed", row.name)
            self._leave_failure(pool, str(error))

    def _leave(self, event: _Ready | _Failed | _Ended) -> None:
        self._events.append(event)
        self._wake.set()

    def _leave_failure(self, pool: _Pool, reason: str) -> None:
        self._leave(_Failed(pool, reason))

    async def _handle(self, event: _Ready | _Failed | _Ended) -> None:
        pool = event.pool
        row = pool.row
        if self._pools.get(row.id) is not pool:
            return
        match event:
            case _Ready() if not pool.ending:
                if await self._settle(row.id, Outcome.RUNNING):
                    self._serving[row.address] = row.name
            case _Failed(reason=reason) if not pool.ending:
                pool.reason = reason
                self._end(pool)
            case _Ended():
                await self._ended(pool)

    def _end(self, pool: _Pool) -> None:
        """Take a pool down; draining may last, so other models do not wait for it."""
        self.withdraw_at(pool.row.address)
        if not pool.ending:
            pool.ending = True
            task = asyncio.create_task(self._undeploy(pool))
            self._undeploys.add(task)
            task.add_done_callback(self._undeploys.discard)

    async def _undeploy(self, pool: _Pool) -> None:
        try:
            await self._fleet.undeploy(pool.row.name)
        except Exception:
            _log.exception("hosting: %s did not end cleanly", pool.row.name)
        self._leave(_Ended(pool))

    async def _ended(self, pool: _Pool) -> None:
        if pool.reason is None:
            await self._settle(pool.row.id, Outcome.STOPPED)
        else:
            await self._settle(pool.row.id, Outcome.FAILED, pool.reason)
        del self._pools[pool.row.id]

    async def _settle(self, row_id: int, outcome: Outcome, reason: str = "") -> bool:
        return await asyncio.to_thread(self._write, row_id, outcome, reason)

    def _write(self, row_id: int, outcome: Outcome, reason: str) -> bool:
        return self._rows.settle(row_id, outcome, reason)
