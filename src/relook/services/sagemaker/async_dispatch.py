"""The dispatcher of asynchronous invocations: from rows to containers, and from answers to objects.

A row goes once its answer, or its failure, is an object: what a crash interrupts is done again, into the same object.
While the disk is full answers wait in memory, and failures until there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from relook.aws.errors import ServiceError
from relook.aws.operation import Members
from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.interface import Blobs
from relook.containers.serving.api import Reply
from relook.core.clock import Clock, system_clock
from relook.core.locations import S3Location
from relook.core.names import Scope
from relook.services.sagemaker.hosting import Hosting
from relook.services.sagemaker.live import Live
from relook.services.sagemaker.routing import ContainerLost, Router, invocation_of, told
from relook.store import sagemaker_async as queue
from relook.store.engine import StorageFull, Store
from relook.store.sagemaker_async import QueuedInvocation
from relook.store.sagemaker_endpoints import Endpoint

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_CONCURRENCY = 4
_MOST_ATTEMPTS = 3
_PATIENCE_SECONDS = 600.0
_RETRY_SECONDS = 5.0
_LOOK_SECONDS = 15.0
"""How often requests are looked for that have waited too long."""
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class AsyncLimits:
    """Bytes of one input or answer, in memory while it is worked on."""

    body_bytes: int = 256 * 2**20


class _Again(Exception):
    """The container went away under the request: another may answer it."""


class AsyncDispatcher:
    """Keeps every asynchronous endpoint as busy as its configuration allows."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        hosting: Hosting,
        router: Router,
        *,
        limits: AsyncLimits | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._hosting = hosting
        self._router = router
        self._limits = limits or AsyncLimits()
        self._clock = clock
        self._running: dict[int, dict[int, asyncio.Task[None]]] = {}
        self._spent: dict[int, float] = {}
        """Seconds that containers which went away have had a request."""
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        hosting.watch(self._turn.set)
        hosting.before_removal(self._dismiss)

    def start(self) -> None:
        self._turn.set()
        self._task = asyncio.create_task(self._run(), name="sagemaker-async")

    async def close(self) -> None:
        """End; what is under way stays in the queue, and is done again after the next start."""
        tasks = [task for running in self._running.values() for task in running.values()]
        if self._task is not None:
            tasks.append(self._task)
            self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """There may be something to do. To be called on the event loop."""
        self._turn.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._turn.wait()
            self._turn.clear()
            try:
                waited_for = await asyncio.to_thread(self._waited_for)
                for live in self._hosting.all_live():
                    if live.id in waited_for:
                        await self._fill(live)
            except Exception:
                _log.exception("asynchronous invocations: the queue could not be read; trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                self._turn.set()

    async def _fill(self, live: Live) -> None:
        """Begin as many as there is room for. A fleet that sleeps is given one instance's share, which wakes it.

        An update may have made the endpoint one that takes no more: what it has taken is answered all the same.
        """
        running = self._running.setdefault(live.id, {})
        instances = sum(each.fleet.present for each in live.variants)
        concurrency = live.asynchronous.concurrency if live.asynchronous is not None else None
        room = instances * (concurrency or _CONCURRENCY) - len(running)
        found = await asyncio.to_thread(self._next, live.id, list(running), room)
        if live.id not in {each.id for each in self._hosting.all_live()}:
            return  # deleted meanwhile: `_dismiss` sees to what waits
        for ident in found:
            task = asyncio.create_task(self._one(live.scope, live.name, ident))
            running[ident] = task
            task.add_done_callback(self._over(running, ident))

    def _waited_for(self) -> set[int]:
        with self._store.read() as connection:
            return queue.waited_for(connection)

    def _next(self, endpoint_id: int, running: list[int], room: int) -> list[int]:
        """What has its turn; what has waited too long needs no instance to be told so."""
        with self._store.read() as connection:
            found = queue.expired_ids(connection, endpoint_id, running, self._clock(), _AT_ONCE)
            if room > 0:
                found += queue.next_ids(connection, endpoint_id, [*running, *found], room)
            return found

    def _over(self, running: dict[int, asyncio.Task[None]], ident: int) -> Callable[[asyncio.Task[None]], None]:
        def over(task: asyncio.Task[None]) -> None:
            running.pop(ident, None)
            self._turn.set()

        return over

    async def _one(self, scope: Scope, endpoint: str, ident: int) -> None:
        try:
            request = await self._insist(self._begin, ident)
            if request is not None:
                await self._answer(scope, endpoint, request)
                await self._insist(self._remove, ident)
            self._spent.pop(ident, None)
        except _Again as error:
            _log.warning("asynchronous invocation of %s waits for another try: %s", endpoint, error)
            await asyncio.sleep(_RETRY_SECONDS)  # its place stays taken meanwhile
        except Exception:
            _log.exception("asynchronous invocation of %s: it waits for another try", endpoint)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _dismiss(self, endpoint: Endpoint) -> None:
        """Leave a failure for each request that still waits when the endpoint is being deleted. Ends when none does."""
        running = self._running.get(endpoint.id, {})
        while True:
            waiting = await asyncio.to_thread(self._next, endpoint.id, list(running), _AT_ONCE)
            for ident in waiting:
                request = await self._insist(self._begin, ident)
                if request is not None:
                    await self._fail(
                        endpoint.scope, request, f"Endpoint {endpoint.name} was deleted before it answered"
                    )
                    await self._insist(self._remove, ident)
                self._spent.pop(ident, None)
            if running:
                await asyncio.wait([*running.values()])
            elif not waiting:
                self._running.pop(endpoint.id, None)
                return

    async def _insist(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """`call` on another thread, again and again while the disk is full: nothing that was done is lost by that."""
        while True:
            try:
                return await asyncio.to_thread(call, *arguments)
            except (NoRoom, StorageFull) as error:
                _log.warning("asynchronous invocations wait: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    def _begin(self, ident: int) -> QueuedInvocation | None:
        with self._store.write() as connection:
            return queue.begin(connection, ident)

    def _remove(self, ident: int) -> None:
        with self._store.write() as connection:
            queue.remove(connection, ident)

    async def _answer(self, scope: Scope, endpoint: str, request: QueuedInvocation) -> None:
        """Leave an answer or a failure in S3."""
        if self._clock() > request.expires:
            await self._fail(scope, request, "The request expired: it waited longer than RequestTTLSeconds")
            return
        if request.attempts > _MOST_ATTEMPTS:
            await self._fail(scope, request, f"No instance could answer the request in {_MOST_ATTEMPTS} tries")
            return
        left = request.timeout - self._spent.get(request.id, 0.0)
        if left <= 0:
            await self._fail(scope, request, f"No instance answered within the {request.timeout} s of the request")
            return
        try:
            reply = await self._ask(scope, endpoint, request, left)
            await self._insist(self._put, scope, request.output, reply.body, reply.content_type)
        except ServiceError as error:
            await self._fail(scope, request, error.message, error.logged)
        except (BlobError, ValueError) as error:
            await self._fail(scope, request, str(error))

    async def _ask(self, scope: Scope, endpoint: str, request: QueuedInvocation, timeout: float) -> Reply:
        body = request.body if request.body is not None else await asyncio.to_thread(self._read, scope, request)
        members: Members = {
            "EndpointName": endpoint,
            "ContentType": request.content_type,
            "Accept": request.accept,
            "CustomAttributes": request.custom_attributes,
        }
        invocation = invocation_of(members, body, timeout=timeout, largest=self._limits.body_bytes)
        try:
            taken, reply = await self._router.ask(scope, members, invocation, _PATIENCE_SECONDS)
        except ContainerLost as error:
            self._spent[request.id] = self._spent.get(request.id, 0.0) + error.seconds
            raise _Again(error.message) from error
        if not 200 <= reply.status < 300:
            raise told(taken.live, taken.variant, reply.container, reply.status, reply.body)
        return reply

    def _read(self, scope: Scope, request: QueuedInvocation) -> bytes:
        assert request.input is not None
        location = S3Location.parse(request.input)
        size = self._blobs.size(scope.account, location.bucket, location.key)
        if size > self._limits.body_bytes:
            raise ValueError(f"{request.input} has {size} bytes; the most is {self._limits.body_bytes}")
        return self._blobs.read(scope.account, location.bucket, location.key)

    async def _fail(self, scope: Scope, request: QueuedInvocation, message: str, logged: str | None = None) -> None:
        _log.info("asynchronous invocation %s failed: %s", request.inference_id, logged or message)
        if request.failure is None:
            return
        try:
            await self._insist(self._put, scope, request.failure, message.encode(), "text/plain; charset=utf-8")
        except BlobError as error:
            _log.error("asynchronous invocation %s: its failure could not be told: %s", request.inference_id, error)

    def _put(self, scope: Scope, uri: str, data: bytes, content_type: str | None) -> None:
        location = S3Location.parse(uri)
        kind = content_type or "application/octet-stream"
        self._blobs.put(scope.account, location.bucket, location.key, data, kind)
