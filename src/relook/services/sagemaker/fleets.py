"""The running instances of one production variant: kept at their number, chosen from, drained.

FleetError
 +-- Retired       the fleet is being taken down: choose anew
 +-- NotReady      no instance answers (yet); says why
 +-- Busy          every instance has as many requests as it may have
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from relook.containers.api import ContainerError
from relook.containers.serving.api import Instance, ServingError
from relook.core.deployments import Routing

_log = logging.getLogger(__name__)
MOST_OUTSTANDING = 1000
"""Requests of one instance that wait or are being answered; their bodies are in memory."""
_WATCH_SECONDS = 1.0
_STEADY_SECONDS = 10.0
"""An instance that ends sooner than this counts as one that does not start."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_STOP_SECONDS = 120.0
"""More than a container takes that has to be killed."""


class FleetError(Exception):
    """No instance took the request."""


class Retired(FleetError):
    """The fleet is being taken down."""


class NotReady(FleetError):
    """No instance answers."""


class Busy(FleetError):
    """Every instance has as many requests as it may have."""


@dataclass(eq=False, slots=True)
class _Slot:
    """A place for one instance, filled again whenever it ends. `until` is when the last request must have ended."""

    instance: Instance | None = None
    outstanding: int = 0
    until: float = 0.0
    leaving: bool = False
    look: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        return self.instance is not None and self.instance.healthy and not self.leaving


@dataclass(frozen=True, slots=True)
class Lease:
    """An instance, taken for one request; `bind` sends later requests of a session to the same one."""

    instance: Instance
    bind: Callable[[str], None]
    release: Callable[[str], None]


class Fleet:
    """Keeps `size` instances made by `make`; calls `changed` when one has come up, failed or gone.

    Used on one event loop. Starts at once, unless `asleep`: then with the first request.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[Instance]],
        changed: Callable[[], None],
        *,
        size: int,
        routing: Routing = Routing.LEAST_OUTSTANDING,
        asleep: bool = False,
        chance: random.Random | None = None,
    ) -> None:
        self.size = size
        self.asleep = asleep
        self.retired = False
        self.fault: str | None = None
        """Why the last start failed; None once one succeeded."""
        self.used = time.monotonic()
        self._make = make
        self._changed = changed
        self._routing = routing
        self._chance = chance or random.Random()
        self._slots: list[_Slot] = []
        self._ending: set[_Slot] = set()
        self._sessions: dict[str, _Slot] = {}
        self._turn = asyncio.Event()
        self._waiting = 0
        if not asleep:
            self._fill()

    @property
    def ready(self) -> int:
        """How many instances answer."""
        return sum(slot.usable for slot in self._slots)

    @property
    def present(self) -> int:
        """How many there are, as clients are told: an instance that sleeps counts."""
        return self.size if self.asleep else self.ready

    @property
    def settled(self) -> bool:
        """Whether all that are wanted are there."""
        return self.asleep or self.ready >= self.size

    @property
    def gone(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self._slots and not self._ending

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or waits for an instance."""
        return self._waiting > 0 or any(slot.outstanding for slot in self._slots)

    def resize(self, size: int) -> None:
        """Want so many instances; those too many end once their requests are answered."""
        if size > self.size:
            self.fault = None
        self.size = size
        if self.asleep or self.retired:
            return
        surplus = len(self._slots) - size
        if surplus > 0:
            expendable = sorted(self._slots, key=lambda slot: (slot.usable, slot.outstanding))
            for slot in expendable[:surplus]:
                self._leave(slot)
        self._fill()

    def sleep(self) -> None:
        """Stop every instance; the next request starts them again."""
        if not self.asleep and not self.retired:
            self.asleep = True
            self._leave_all()

    def wake(self) -> None:
        if self.asleep and not self.retired:
            self.asleep = False
            self.used = time.monotonic()
            self._fill()

    def retire(self, within: float = math.inf) -> None:
        """Take no more requests, and end once those there are answered, or `within` seconds at the latest.

        `changed` is called when it is gone.
        """
        self.retired = True
        for slot in self._slots:
            slot.until = min(slot.until, time.monotonic() + within)
        self._leave_all()
        self._notify()

    async def close(self) -> None:
        """End at once."""
        self.retired = True
        tasks = [slot.task for slot in (*self._slots, *self._ending) if slot.task is not None]
        for slot in (*self._slots, *self._ending):
            slot.until = 0.0
            slot.idle.set()
        self._leave_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def lease(self, patience: float, lasting: float, session: str | None = None) -> AsyncIterator[Lease]:
        """An instance for one request of at most `lasting` seconds; waits `patience` seconds for one to be ready."""
        slot = await self._take(patience, session)
        if slot.instance is None:
            raise NotReady("the instance ended")
        slot.outstanding += 1
        slot.idle.clear()
        slot.until = max(slot.until, time.monotonic() + lasting)
        try:
            yield Lease(slot.instance, lambda name: self._bind(name, slot), self._forget)
        finally:
            slot.outstanding -= 1
            self.used = time.monotonic()
            if not slot.usable:
                slot.look.set()
            if not slot.outstanding:
                slot.idle.set()

    async def _take(self, patience: float, session: str | None) -> _Slot:
        deadline = time.monotonic() + patience
        while not self.retired:
            usable = [slot for slot in self._slots if slot.usable]
            if usable:
                return self._choose(usable, session)
            self.wake()
            for slot in self._slots:
                slot.look.set()
            turn = self._turn
            self._waiting += 1
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await turn.wait()
            except TimeoutError:
                raise NotReady(self.fault or "its instances are still starting") from None
            finally:
                self._waiting -= 1
        raise Retired("the variant is being replaced")

    def _choose(self, usable: list[_Slot], session: str | None) -> _Slot:
        bound = self._sessions.get(session) if session is not None else None
        if bound in usable:
            return bound
        if self._routing is Routing.RANDOM:
            chosen = self._chance.choice(usable)
        else:
            chosen = min(usable, key=lambda slot: slot.outstanding)
        if chosen.outstanding >= MOST_OUTSTANDING:
            raise Busy(f"{MOST_OUTSTANDING} requests wait for each of its instances")
        return chosen

    def _bind(self, session: str, slot: _Slot) -> None:
        self._sessions[session] = slot
        if len(self._sessions) > MOST_OUTSTANDING:
            self._sessions.pop(next(iter(self._sessions)))

    def _forget(self, session: str) -> None:
        self._sessions.pop(session, None)

    def _fill(self) -> None:
        while len(self._slots) < self.size and not self.retired:
            slot = _Slot()
            self._slots.append(slot)
            slot.task = asyncio.create_task(self._keep(slot))

    def _leave_all(self) -> None:
        for slot in list(self._slots):
            self._leave(slot)

    def _leave(self, slot: _Slot) -> None:
        slot.leaving = True
        slot.look.set()
        self._slots.remove(slot)
        self._ending.add(slot)
        if slot.instance is None and slot.task is not None:
            slot.task.cancel()

    async def _keep(self, slot: _Slot) -> None:
        try:
            await self._refill(slot)
        except asyncio.CancelledError:
            if not slot.leaving:
                raise
        finally:
            self._ending.discard(slot)
            if slot in self._slots:
                self._slots.remove(slot)
            self._notify()

    async def _refill(self, slot: _Slot) -> None:
        """One instance after the other, with growing pauses while they fail."""
        failures = 0
        while not slot.leaving:
            try:
                slot.instance = await self._make()
                started = time.monotonic()
                self.fault = None
                self._notify()
                await self._serve(slot)
                if time.monotonic() - started > _STEADY_SECONDS:
                    failures = 0
                elif not slot.leaving:
                    self.fault = "its container ended as soon as it had started"
            except (ServingError, ContainerError) as error:
                self.fault = str(error)
            except Exception as error:
                # Whatever it was, the place must be filled again: nobody else would.
                _log.exception("hosting: an instance could not be started, or watched")
                self.fault = f"an unforeseen error: {error}"
            if not slot.leaving:
                self._notify()
                await self._pause(slot, min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE))
                failures += 1

    async def _serve(self, slot: _Slot) -> None:
        """Until the instance ends, or may be ended."""
        instance = slot.instance
        assert instance is not None
        try:
            while instance.healthy and not slot.leaving:
                await self._look(slot, _WATCH_SECONDS)
            if slot.leaving and instance.healthy and slot.outstanding:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, slot.until - time.monotonic())):
                        await slot.idle.wait()
        finally:
            await _stop(instance)
            slot.instance = None

    async def _pause(self, slot: _Slot, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not slot.leaving and (left := end - time.monotonic()) > 0:
            await self._look(slot, left)

    async def _look(self, slot: _Slot, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await slot.look.wait()
        slot.look.clear()

    def _notify(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()
        self._changed()


async def _stop(instance: Instance) -> None:
    """Whatever goes wrong, and however long it takes: what has its place waits for this."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await instance.stop()
    except Exception:
        _log.exception("hosting: an instance did not end cleanly")
