"""One hosted model: the queue of its requests and the pool of units that answer them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relook.fleet.api import BadInput, Deployment, FleetError, NotDeployed, Overloaded, UnitLost
from relook.fleet.frames import FrameKind, FrameStart, join_labels, join_prediction, parse_fault, parse_head
from relook.fleet.process import UnitCommand, UnitProcess, UnitState
from relook.fleet.settings import FleetSettings, Pressure, retry_delay
from relook.vision.serving import AnyPrediction

_log = logging.getLogger(__name__)
_REQUESTS_PER_NEW_UNIT = 8
_LIVE = (UnitState.STARTING, UnitState.IDLE, UnitState.BUSY)


@dataclass(eq=False, slots=True)
class _Request:
    number: int
    image: bytes
    min_confidence: float | None
    answer: asyncio.Future[AnyPrediction]
    lost: int = 0
    """How many units died over it."""
    timer: asyncio.TimerHandle | None = field(default=None)


class HostedModel:
    """Starts, feeds, replaces and retires the units of one deployment. Everything happens on the event loop."""

    def __init__(
        self,
        deployment: Deployment,
        command: Sequence[str],
        settings: FleetSettings,
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deployment = deployment
        self._what = UnitCommand(command, deployment.artifact, deployment.name)
        self._settings = settings
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._units: set[UnitProcess] = set()
        self._busy: dict[UnitProcess, _Request] = {}
        self._waiting: deque[_Request] = deque()
        self._numbers = itertools.count(1)
        self._target = deployment.min_units
        self._announced = False
        self._closing = False
        self._why_closed = ""
        self._deaths = 0  # in a row, without an answer in between
        self._failed_starts = 0  # in a row, without a READY in between
        self._not_before = 0.0
        self._pressure = Pressure(settings.pressure_window, self._loop.time())
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._drained: asyncio.Future[None] = self._loop.create_future()
        self._log_extra = {"deployment": deployment.name}
        self._ensure()

    @property
    def ready_units(self) -> int:
        return sum(unit.state in (UnitState.IDLE, UnitState.BUSY) for unit in self._units)

    async def predict(self, image: bytes, min_confidence: float | None) -> AnyPrediction:
        if self._closing:
            raise NotDeployed(f"{self._deployment.name}: {self._why_closed}")
        limit = self._settings.queue_per_unit * self._deployment.max_units
        if len(self._waiting) >= limit:
            raise Overloaded(
                f"{limit} requests wait for {self._deployment.name} already: try again shortly, "
                "or start the model with more inference units"
            )
        request = _Request(next(self._numbers), image, min_confidence, self._loop.create_future())
        self._waiting.append(request)
        self._dispatch()
        if not request.answer.done() and request in self._waiting:
            request.timer = self._loop.call_later(self._settings.queue_timeout, self._waited_too_long, request)
        try:
            return await request.answer
        finally:
            self._forget(request)

    async def drain(self) -> None:
        """Take no more requests, answer those taken, end every unit."""
        self._begin_closing("it is being stopped")
        for unit in self._units:
            if unit.state is UnitState.STARTING:
                unit.retire()
        self._check_drained()
        await asyncio.wait({self._drained})
        for unit in list(self._units):
            unit.retire()
        await self._all_ended()

    async def close(self, why: str) -> None:
        """End everything now; whoever waits gets NotDeployed."""
        self._abandon(why)
        await self._all_ended()

    # What the units call.

    def unit_ready(self, unit: UnitProcess) -> None:
        self._failed_starts = 0
        self._pressure.relieve(self._loop.time())
        _log.info("inference unit is ready", extra={**self._log_extra, "unit": unit.pid, "engine": unit.engine})
        if not self._announced and self.ready_units >= self._deployment.min_units:
            self._announced = True
            self._loop.call_soon(self._on_ready)
        self._dispatch()

    def unit_replied(self, unit: UnitProcess, frame: FrameStart, payload: bytearray) -> None:
        outcome = _outcome(frame, memoryview(payload))
        self._deaths = 0
        self._settle(self._busy.pop(unit), outcome)
        self._dispatch()

    def unit_ended(self, unit: UnitProcess) -> None:
        self._units.discard(unit)
        request = self._busy.pop(unit, None)
        if request is not None:
            self._lost(request, unit.reason)
        if self._closing:
            self._check_drained()
        elif not unit.dismissed:
            self._replace(unit.reason, was_ready=unit.was_ready)
        self._dispatch()

    # Requests.

    def _dispatch(self) -> None:
        while self._waiting:
            idle = [unit for unit in self._units if unit.state is UnitState.IDLE]
            if not idle:
                break
            # The one that worked last: its caches are warm, and the others grow old enough to be retired.
            unit = max(idle, key=lambda one: one.idle_since)
            request = self._waiting.popleft()
            self._clear_queue_timer(request)
            self._busy[unit] = request
            unit.predict(request.number, request.image, request.min_confidence)
        self._check_drained()
        self._weigh()

    def _lost(self, request: _Request, reason: str) -> None:
        request.lost += 1
        if request.lost > 1:
            self._settle(request, UnitLost(f"two inference units died over this image; {reason}"))
        elif not request.answer.done():
            self._waiting.appendleft(request)

    def _settle(self, request: _Request, outcome: AnyPrediction | FleetError) -> None:
        self._clear_queue_timer(request)
        if request.answer.done():
            return  # the caller has gone
        if isinstance(outcome, FleetError):
            request.answer.set_exception(outcome)
        else:
            request.answer.set_result(outcome)

    def _waited_too_long(self, request: _Request) -> None:
        self._waiting.remove(request)
        self._settle(request, Overloaded(f"no inference unit was free for {self._settings.queue_timeout:g} s"))
        self._weigh()

    def _clear_queue_timer(self, request: _Request) -> None:
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None

    def _forget(self, request: _Request) -> None:
        """The caller goes, with its answer or without. A unit at work on it is left to finish."""
        if request in self._waiting:
            self._waiting.remove(request)
            self._check_drained()
            self._weigh()
        self._clear_queue_timer(request)

    def _reject_all(self) -> None:
        while self._waiting:
            self._settle(self._waiting.popleft(), NotDeployed(f"{self._deployment.name}: {self._why_closed}"))

    # Units.

    def _ensure(self) -> None:
        """Start what is missing to the target, unless a unit has just died and it is too early."""
        if self._closing:
            return
        early = self._not_before - self._loop.time()
        if early > 0:
            self._later("replace", early, self._ensure)
            return
        while not self._closing and sum(unit.state in _LIVE for unit in self._units) < self._target:
            try:
                self._units.add(UnitProcess(self._what, self._settings, self))
            except OSError as error:
                self._replace(f"the inference unit could not be started: {error}", was_ready=False)
                return

    def _replace(self, reason: str, *, was_ready: bool) -> None:
        if was_ready:
            self._deaths += 1
            delay = retry_delay(self._settings, self._deaths)
        else:
            self._failed_starts += 1
            delay = retry_delay(self._settings, self._failed_starts + 1)
        hopeless = not self._announced or self.ready_units == 0
        if self._failed_starts >= self._settings.failed_starts and hopeless:
            self._fail(reason)
            return
        self._not_before = max(self._not_before, self._loop.time() + delay)
        self._later("replace", delay, self._ensure)

    def _fail(self, reason: str) -> None:
        _log.error("hosted model failed: %s", reason, extra=self._log_extra)
        self._abandon(reason)
        self._loop.call_soon(self._on_failed, reason)

    def _weigh(self) -> None:
        """Judge the load: more units soon if requests go on waiting, fewer later if units have nothing to do."""
        self._pressure.note(self._loop.time(), bool(self._waiting))
        if self._closing:
            return
        if self._waiting and self._target < self._deployment.max_units and "grow" not in self._timers:
            self._later("grow", self._pressure.time_left(self._loop.time()) or 0.0, self._grow)
        if self._target > self._deployment.min_units and "shrink" not in self._timers:
            self._later("shrink", self._settings.idle_after, self._shrink)

    def _grow(self) -> None:
        now = self._loop.time()
        starting = any(unit.state is UnitState.STARTING for unit in self._units)
        if self._waiting and not starting and self._pressure.time_left(now) == 0.0:
            wanted = -(-len(self._waiting) // _REQUESTS_PER_NEW_UNIT)
            self._target = min(self._deployment.max_units, self._target + wanted)
            self._pressure.relieve(now)
            _log.info("requests wait: %d inference units from now on", self._target, extra=self._log_extra)
            self._ensure()
        if not starting:
            self._weigh()

    def _shrink(self) -> None:
        now = self._loop.time()
        idle = sorted(unit.idle_since for unit in self._units if unit.state is UnitState.IDLE)
        for unit in sorted(self._units, key=lambda one: one.idle_since):
            old = unit.state is UnitState.IDLE and now - unit.idle_since >= self._settings.idle_after
            if old and self._target > self._deployment.min_units:
                self._target -= 1
                _log.info("little to do: %d inference units from now on", self._target, extra=self._log_extra)
                unit.retire()
        if self._target > self._deployment.min_units:
            oldest = idle[0] if idle else now
            self._later("shrink", max(0.01, oldest + self._settings.idle_after - now), self._shrink)

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        def fire() -> None:
            del self._timers[name]
            call()

        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._loop.call_later(seconds, fire)

    # The end.

    def _begin_closing(self, why: str) -> None:
        if not self._closing:
            self._closing = True
            self._why_closed = why
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _abandon(self, why: str) -> None:
        self._begin_closing(why)
        for request in self._busy.values():
            self._settle(request, NotDeployed(f"{self._deployment.name}: {self._why_closed}"))
        self._reject_all()
        for unit in self._units:
            unit.dismissed = True
            unit.kill("it was not wanted any more")
        self._check_drained()

    def _check_drained(self) -> None:
        if not self._closing:
            return
        if not any(unit.state in _LIVE for unit in self._units):
            self._reject_all()
        if not self._waiting and not self._busy and not self._drained.done():
            self._drained.set_result(None)

    async def _all_ended(self) -> None:
        if self._units:
            await asyncio.wait({unit.ended for unit in self._units})


def _outcome(frame: FrameStart, payload: memoryview) -> AnyPrediction | FleetError:
    """What a reply means. FrameError if it makes no sense."""
    head = parse_head(payload[: frame.head])
    if frame.kind is FrameKind.PREDICTION:
        return join_prediction(head, bytes(payload[frame.head :]))
    if frame.kind is FrameKind.LABELS:
        return join_labels(head, bytes(payload[frame.head :]))
    message = str(head.get("message", "no reason given"))
    if frame.kind is FrameKind.BAD_INPUT:
        return BadInput(message, parse_fault(head))
    return FleetError(f"the model failed on this image: {message}")
