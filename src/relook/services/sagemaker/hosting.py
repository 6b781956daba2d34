"""The controller that makes what runs agree with what the rows of endpoints say.

Rows change by this task alone, but for CreateEndpoint, UpdateEndpoint and its kin, and DeleteEndpoint, which write what
is wanted. Nothing is remembered between two looks at the rows but the running instances, so a start after a crash is
only another look.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from relook.containers.serving.api import Starter
from relook.core.clipping import clip
from relook.core.clock import Clock, system_clock
from relook.core.deployments import Deployment, Variant
from relook.core.endpoint_states import RUNNING, SERVING, EndpointStatus
from relook.core.names import Scope
from relook.services.sagemaker.fleets import Fleet
from relook.services.sagemaker.invocation_counts import InvocationCounts
from relook.services.sagemaker.launches import HostingOptions, Launcher, Logs
from relook.services.sagemaker.live import Live, LiveVariant
from relook.store import sagemaker_endpoints as endpoints
from relook.store.engine import Store
from relook.store.sagemaker_endpoints import Endpoint

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0
_LAST_SECONDS = 60.0
"""What is being answered when its endpoint is deleted may take so long; an asynchronous request could take an hour."""
_REASON_CHARACTERS = 1024
Address = tuple[str, str, str]


@dataclass(eq=False, slots=True)
class _Hosted:
    """What runs for one endpoint: fleets by their names in the deployment."""

    id: int
    address: Address
    fleets: dict[str, Fleet] = field(default_factory=dict)
    counts: dict[str, InvocationCounts] = field(default_factory=dict)
    farewell: asyncio.Task[None] | None = None


class Hosting:
    """Reconciles the rows of endpoints with running instances, in one task."""

    def __init__(
        self,
        store: Store,
        *,
        options: HostingOptions | None = None,
        clock: Clock = system_clock,
        forget: Callable[[Any, Endpoint], None] | None = None,
    ) -> None:
        """`forget` is called inside the transaction that removes an endpoint."""
        self._store = store
        self._launcher: Launcher | None = None
        self._options = options or HostingOptions()
        self._clock = clock
        self._forget = forget
        self._chance = random.Random()
        self._hosted: dict[int, _Hosted] = {}
        self._live: dict[Address, Live] = {}
        self._withdrawn: set[int] = set()
        self._watchers: list[Callable[[], None]] = []
        self._farewells: list[Callable[[Endpoint], Awaitable[None]]] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, starter: Starter, logs: Logs) -> None:
        """Bring back what was there, finish what was under way, and go on from there."""
        self._launcher = Launcher(starter, logs, self._options)
        self._loop = asyncio.get_running_loop()
        await self._reconcile(first=True)
        self._task = asyncio.create_task(self._run(), name="sagemaker-hosting")

    async def close(self) -> None:
        """Stop every instance. Rows stay as they are: endpoints come back at the next start."""
        self._loop = None
        self._live.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        farewells = [hosted.farewell for hosted in self._hosted.values() if hosted.farewell is not None]
        for farewell in farewells:
            farewell.cancel()
        await asyncio.gather(*farewells, return_exceptions=True)
        fleets = [fleet for hosted in self._hosted.values() for fleet in hosted.fleets.values()]
        await asyncio.gather(*(fleet.close() for fleet in fleets))

    def notify(self) -> None:
        """Rows have changed. Callable from any thread, also before `start` and after `close`."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:
                _log.debug("the event loop has closed: the next start will see the change")

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called on the loop whenever endpoints or their instances may have changed."""
        self._watchers.append(changed)

    def before_removal(self, call: Callable[[Endpoint], Awaitable[None]]) -> None:
        """Have `call` run, on the loop, before an endpoint that is being deleted is gone; it may run more than once."""
        self._farewells.append(call)

    def live(self, scope: Scope, name: str) -> Live | None:
        """The endpoint, if it takes requests; by memory alone."""
        return self._live.get((scope.account, scope.region, name.lower()))

    def all_live(self) -> list[Live]:
        return list(self._live.values())

    def withdraw(self, endpoint: Endpoint) -> None:
        """Send no more requests to an endpoint that is being deleted. Callable from any thread."""
        self._withdrawn.add(endpoint.id)
        live = self._live.get(_address(endpoint))
        if live is not None and live.id == endpoint.id:  # and not one that was made meanwhile under its name
            self._live.pop(_address(endpoint), None)

    def present(self, endpoint: Endpoint, variant: Variant) -> int:
        """How many instances of a variant there are now. Callable from any thread."""
        hosted = self._hosted.get(endpoint.id)
        fleet = hosted.fleets.get(variant.fleet) if hosted is not None else None
        return fleet.present if fleet is not None else 0

    def fault(self, endpoint: Endpoint) -> str | None:
        """Why an endpoint in service has no instance of some variant, while that is so. Callable from any thread."""
        hosted = self._hosted.get(endpoint.id)
        if hosted is None or endpoint.status not in SERVING:
            return None
        for variant in endpoint.current.variants:
            fleet = hosted.fleets.get(variant.fleet)
            if fleet is not None and fleet.fault and not fleet.present:
                return _reason(variant, fleet.fault)
        return None

    def invocations(self, scope: Scope, name: str, variant: str, minutes: int) -> list[float]:
        """Invocations of each of the last whole minutes, oldest first, per instance there is now.

        SageMakerVariantInvocationsPerInstance, for autoscaling. Empty for a variant that takes no requests.
        """
        live = self.live(scope, name)
        found = live.variant(variant) if live is not None else None
        if found is None:
            return []
        return [count / max(1, found.fleet.present) for count in found.counts.last(minutes)]

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._options.look_seconds if self._options.idle_seconds else None):
                    await self._wake.wait()
            except TimeoutError:
                self._send_to_sleep()
                continue
            self._wake.clear()
            try:
                await self._reconcile()
            except Exception:
                _log.exception("hosting: could not bring endpoints to the state they should be in; trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()

    def _send_to_sleep(self) -> None:
        before = time.monotonic() - self._options.idle_seconds
        for live in self.all_live():
            for each in live.variants:
                if each.fleet.used < before and not each.fleet.busy and each.fleet.settled:
                    each.fleet.sleep()

    async def _reconcile(self, *, first: bool = False) -> None:
        rows = await asyncio.to_thread(self._rows)
        for gone in self._hosted.keys() - {row.id for row in rows}:
            self._end(self._hosted[gone], keep=())
            if not self._hosted[gone].fleets:
                del self._hosted[gone]
        for row in rows:
            hosted = self._hosted.setdefault(row.id, _Hosted(row.id, _address(row)))
            _drop_gone(hosted)
            await self._settle(row, hosted, first=first)
        for changed in self._watchers:
            changed()

    def _rows(self) -> list[Endpoint]:
        with self._store.read() as connection:
            return endpoints.in_status(connection, RUNNING | {EndpointStatus.DELETING})

    async def _settle(self, row: Endpoint, hosted: _Hosted, *, first: bool) -> None:
        match row.status:
            case EndpointStatus.CREATING:
                await self._creating(row, hosted)
            case EndpointStatus.UPDATING | EndpointStatus.SYSTEM_UPDATING:
                await self._updating(row, hosted)
            case EndpointStatus.ROLLING_BACK:
                await self._rolling_back(row, hosted)
            case EndpointStatus.DELETING:
                await self._deleting(row, hosted)
            case _:
                # What sleeps when idle need not be started before it is asked.
                self._ensure(row, hosted, row.current, asleep=first and self._options.idle_seconds > 0)
                self._serve(row, hosted, row.current)
                self._end(hosted, keep=row.current.variants)

    async def _creating(self, row: Endpoint, hosted: _Hosted) -> None:
        self._ensure(row, hosted, row.current)
        reason = self._trouble(hosted, row.current.variants)
        if reason is not None:
            await self._change(row, EndpointStatus.FAILED, failure=reason)
        elif all(hosted.fleets[each.fleet].settled for each in row.current.variants):
            # Before the row says so: whoever reads InService may invoke at once.
            self._serve(row, hosted, row.current)
            await self._change(row, EndpointStatus.IN_SERVICE)

    async def _updating(self, row: Endpoint, hosted: _Hosted) -> None:
        pending = row.pending or row.current
        largest = _larger(row.current, pending)
        self._ensure(row, hosted, largest)
        self._ensure(row, hosted, pending, grow_only=True)
        self._serve(row, hosted, row.current)
        grown = [each for each in pending.variants if _grows(each, row.current)]
        reason = self._trouble(hosted, grown)
        if reason is not None:
            await self._change(row, EndpointStatus.ROLLING_BACK, failure=reason, pending=None)
        elif all(hosted.fleets[each.fleet].settled for each in grown):
            self._serve(row, hosted, pending)
            await self._change(row, EndpointStatus.IN_SERVICE, current=pending, pending=None, failure=None)

    async def _rolling_back(self, row: Endpoint, hosted: _Hosted) -> None:
        self._ensure(row, hosted, row.current)
        self._serve(row, hosted, row.current)
        self._end(hosted, keep=row.current.variants)
        if len(hosted.fleets) == len(row.current.variants):
            await self._change(row, EndpointStatus.IN_SERVICE)

    async def _deleting(self, row: Endpoint, hosted: _Hosted) -> None:
        self._live.pop(hosted.address, None)
        self._end(hosted, keep=(), within=_LAST_SECONDS)
        if hosted.farewell is None:
            hosted.farewell = asyncio.create_task(self._bid_farewell(row))
        if not hosted.fleets and hosted.farewell.done():
            await asyncio.to_thread(self._remove, row)
            self._hosted.pop(row.id, None)
            self._withdrawn.discard(row.id)

    async def _bid_farewell(self, row: Endpoint) -> None:
        for call in self._farewells:
            while True:
                try:
                    await call(row)
                    break
                except Exception:
                    _log.exception("hosting: endpoint %s cannot be removed yet; trying again", row.name)
                    await asyncio.sleep(_RETRY_SECONDS)
        self._wake.set()

    def _ensure(
        self, row: Endpoint, hosted: _Hosted, deployment: Deployment, *, asleep: bool = False, grow_only: bool = False
    ) -> None:
        """Have the fleets of a deployment, in its sizes."""
        assert self._launcher is not None
        for variant in deployment.variants:
            fleet = hosted.fleets.get(variant.fleet)
            if fleet is None:
                make = partial(self._launcher.start, row.scope, row.name, variant)
                hosted.fleets[variant.fleet] = Fleet(
                    make,
                    self._wake.set,
                    size=variant.count,
                    routing=variant.routing,
                    asleep=asleep,
                    chance=self._chance,
                )
            elif fleet.size != variant.count and not (grow_only and fleet.size > variant.count):
                fleet.resize(variant.count)

    def _end(self, hosted: _Hosted, keep: tuple[Variant, ...], within: float = math.inf) -> None:
        """Take down every fleet but those of `keep`, after what they are answering, or `within` seconds."""
        kept = {variant.fleet for variant in keep}
        for name, fleet in hosted.fleets.items():
            if name not in kept and not fleet.retired:
                fleet.retire(within)
        live = self._live.get(hosted.address)
        if not kept and live is not None and live.id == hosted.id:
            self._live.pop(hosted.address, None)
        _drop_gone(hosted)

    def _serve(self, row: Endpoint, hosted: _Hosted, deployment: Deployment) -> None:
        """From now on requests go to this deployment."""
        if row.id in self._withdrawn:
            return
        for each in deployment.variants:
            hosted.counts.setdefault(each.name, InvocationCounts(lambda: self._clock() / 1000))
        variants = tuple(
            LiveVariant(each, hosted.fleets[each.fleet], hosted.counts[each.name]) for each in deployment.variants
        )
        self._live[hosted.address] = Live(
            row.id, row.scope, row.name, variants, deployment.capture, deployment.asynchronous
        )

    def _trouble(self, hosted: _Hosted, variants: tuple[Variant, ...] | list[Variant]) -> str | None:
        for variant in variants:
            fault = hosted.fleets[variant.fleet].fault
            if fault is not None:
                return _reason(variant, fault)
        return None

    async def _change(self, row: Endpoint, status: EndpointStatus, **columns: Any) -> bool:
        """False where the row has moved on meanwhile, as by DeleteEndpoint; the next look sees what to do then."""
        changed = await asyncio.to_thread(self._write, row.id, status, columns)
        if changed:
            _log.info("endpoint %s is %s", row.name, status.value)
        self._wake.set()
        return changed

    def _write(self, endpoint_id: int, status: EndpointStatus, columns: dict[str, Any]) -> bool:
        with self._store.write() as connection:
            return endpoints.change_status(connection, endpoint_id, status, self._clock(), **columns)

    def _remove(self, row: Endpoint) -> None:
        with self._store.write() as connection:
            if self._forget is not None:
                self._forget(connection, row)
            endpoints.remove(connection, row.id)


def _address(row: Endpoint) -> Address:
    return (row.scope.account, row.scope.region, row.name.lower())


def _drop_gone(hosted: _Hosted) -> None:
    hosted.fleets = {name: fleet for name, fleet in hosted.fleets.items() if not (fleet.retired and fleet.gone)}


def _grows(variant: Variant, current: Deployment) -> bool:
    """Whether an update needs instances of this variant that are not there yet."""
    before = next((each for each in current.variants if each.fleet == variant.fleet), None)
    return before is None or variant.count > before.count


def _larger(current: Deployment, pending: Deployment) -> Deployment:
    """The current deployment, with the fleets that both share at the larger of their sizes."""
    wanted = {each.fleet: each.count for each in pending.variants}
    grown = tuple(replace(each, count=max(each.count, wanted.get(each.fleet, 0))) for each in current.variants)
    return replace(current, variants=grown)


def _reason(variant: Variant, fault: str) -> str:
    return clip(f"Production variant {variant.name}: {fault}", _REASON_CHARACTERS)
