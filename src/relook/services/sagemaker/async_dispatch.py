"""The dispatcher of asynchronous invocations: from rows to containers, and from answers to objects.

A row goes once its answer, or its failure, is an object: what a crash interrupts is done again, into the same object.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

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

_log = logging.getLogger(__name__)
_CONCURRENCY = 4
_MOST_ATTEMPTS = 3
_PATIENCE_SECONDS = 600.0
_RETRY_SECONDS = 5.0


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
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        hosting.watch(self._turn.set)

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
            await self._turn.wait()
            self._turn.clear()
            try:
                for live in self._hosting.all_live():
                    if live.asynchronous is not None:
                        await self._fill(live)
            except Exception:
                _log.exception("asynchronous invocations: the queue could not be read; trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                self._turn.set()

    async def _fill(self, live: Live) -> None:
        """Begin as many as there is room for. A fleet that sleeps is given one instance's share, which wakes it."""
        assert live.asynchronous is not None
        running = self._running.setdefault(live.id, {})
        instances = sum(each.fleet.present for each in live.variants)
        room = instances * (live.asynchronous.concurrency or _CONCURRENCY) - len(running)
        if room <= 0:
            return
        for ident in await asyncio.to_thread(self._next, live.id, list(running), room):
            task = asyncio.create_task(self._one(live.scope, live.name, ident))
            running[ident] = task
            task.add_done_callback(self._over(running, ident))

    def _next(self, endpoint_id: int, running: list[int], room: int) -> list[int]:
        with self._store.read() as connection:
            return queue.next_ids(connection, endpoint_id, running, room)

    def _over(self, running: dict[int, asyncio.Task[None]], ident: int) -> Callable[[asyncio.Task[None]], None]:
        def over(task: asyncio.Task[None]) -> None:
            running.pop(ident, None)
            self._turn.set()

        return over

    async def _one(self, scope: Scope, endpoint: str, ident: int) -> None:
        try:
            request = await asyncio.to_thread(self._begin, ident)
            if request is not None:
                await self._answer(scope, endpoint, request)
                await asyncio.to_thread(self._remove, ident)
        except (_Again, NoRoom, StorageFull) as error:
            _log.warning("asynchronous invocation of %s waits for another try: %s", endpoint, error)
            await asyncio.sleep(_RETRY_SECONDS)  # its place stays taken meanwhile
        except Exception:
            _log.exception("asynchronous invocation of %s: it waits for another try", endpoint)
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
        try:
            reply = await self._ask(scope, endpoint, request)
            await asyncio.to_thread(self._put, scope, request.output, reply.body, reply.content_type)
        except NoRoom:
            raise
        except ServiceError as error:
            await self._fail(scope, request, error.message, error.logged)
        except (BlobError, ValueError) as error:
            await self._fail(scope, request, str(error))

    async def _ask(self, scope: Scope, endpoint: str, request: QueuedInvocation) -> Reply:
        body = request.body if request.body is not None else await asyncio.to_thread(self._read, scope, request)
        members: Members = {
            "EndpointName": endpoint,
            "ContentType": request.content_type,
            "Accept": request.accept,
            "CustomAttributes": request.custom_attributes,
        }
        timeout = float(request.timeout)
        invocation = invocation_of(members, body, timeout=timeout, largest=self._limits.body_bytes)
        try:
            taken, reply = await self._router.ask(scope, members, invocation, _PATIENCE_SECONDS)
        except ContainerLost as error:
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
            await asyncio.to_thread(self._put, scope, request.failure, message.encode(), "text/plain; charset=utf-8")
        except NoRoom:
            raise
        except BlobError as error:
            _log.error("asynchronous invocation %s: its failure could not be told: %s", request.inference_id, error)

    def _put(self, scope: Scope, uri: str, data: bytes, content_type: str | None) -> None:
        location = S3Location.parse(uri)
        kind = content_type or "application/octet-stream"
        self._blobs.put(scope.account, location.bucket, location.key, data, kind)
