"""The flow of a transform job: objects into requests, requests to the container, answers in order into outputs.

The next requests are read while one is in flight, and outputs are written behind it, so that the container never waits
for this side's disk. What is read and not yet written is bounded by a window of requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import StoredFile
from relook.containers.serving.api import Invocation
from relook.core.batch import BatchError
from relook.core.batch.batching import Limits
from relook.core.batch.processing import format_of
from relook.services.sagemaker.transform_host import Host, RequestFailed
from relook.services.sagemaker.transform_inputs import Inputs, Request, said_of
from relook.services.sagemaker.transform_outputs import Answers, Recorder
from relook.services.sagemaker.transform_spec import Spec
from relook.store.sagemaker_transforms import InputObject

_T = TypeVar("_T")
LARGEST_ANSWER = 100 * 2**20
_PREFETCHED = 2
"""Requests that are ready beside those in flight."""
_LARGE = 32 * 2**20
"""Of requests that may be larger, only one is ready beside those in flight."""
_WRITERS = 8
_UNRECORDED = 32
"""Objects that are answered but not yet on disk, at most."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """One request of an object."""

    work: _Work
    index: int
    request: Request


class _Work:
    """An object on its way. `failure` is why it will have no output."""

    def __init__(self, source: InputObject) -> None:
        self.source = source
        self.failure: str | None = None
        self.content_type: str | None = None
        self.total: int | None = None
        self.waiting: dict[int, bytes] = {}
        self.written = 0
        self.writing = False
        self.over = False

    def ready(self) -> list[bytes]:
        """The answers that come next, in order."""
        found: list[bytes] = []
        while self.written + len(found) in self.waiting:
            found.append(self.waiting.pop(self.written + len(found)))
        return found


class Flow:
    """Runs what is left of one job, on one event loop."""

    def __init__(
        self,
        spec: Spec,
        limits: Limits,
        inputs: Inputs,
        host: Host,
        recorder: Recorder,
        blobs: FolderBlobs,
        say: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._inputs = inputs
        self._host = host
        self._recorder = recorder
        self._blobs = blobs
        self._say = say
        # Of its own, so that the next request is never read behind outputs that wait for the disk.
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="transform-reading")
        self._writing = ThreadPoolExecutor(_WRITERS, thread_name_prefix="transform-writing")
        self._units: asyncio.Queue[_Unit | None] = asyncio.Queue()
        large = limits.payload > _LARGE
        self._window = asyncio.Semaphore(limits.concurrent + 1 if large else 2 * limits.concurrent + _PREFETCHED)
        self._unrecorded = asyncio.Semaphore(limits.concurrent + _UNRECORDED)
        self._answers: dict[int, Answers] = {}

    async def run(self, sources: AsyncIterator[InputObject]) -> None:
        """Until each of `sources` has its output, or a record of why not.

        Raises StartFailed, and whatever keeps outputs from being written at all.
        """
        async with asyncio.TaskGroup() as outer:
            recording = outer.create_task(self._recorder.run())
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._produce(sources))
                for _ in range(self._limits.concurrent):
                    tasks.create_task(self._ask())
            recording.cancel()

    def discard(self) -> None:
        """Remove the files of outputs that were not finished. To be called when the loop has ended; blocks."""
        self._reading.shutdown()
        self._writing.shutdown()
        for left in self._answers.values():
            left.discard()

    async def _produce(self, sources: AsyncIterator[InputObject]) -> None:
        async for source in sources:
            await self._unrecorded.acquire()
            work = _Work(source)
            await self._read(work)
            self._advance(work)
        for _ in range(self._limits.concurrent):
            self._units.put_nowait(None)

    async def _read(self, work: _Work) -> None:
        """Put the object's requests into the queue, as fast as the window lets."""
        requests = self._inputs.requests(work.source, self._limits)
        index = 0
        try:
            while work.failure is None:
                await self._window.acquire()
                request = await self._in(self._reading, partial(next, requests, None))
                if request is None:
                    self._window.release()
                    break
                self._units.put_nowait(_Unit(work, index, request))
                index += 1
        except NoRoom:
            raise
        except (BatchError, BlobError) as error:
            self._window.release()
            work.failure = work.failure or f"ClientError: {said_of(work.source, error)}"
        work.total = index

    async def _ask(self) -> None:
        while (unit := await self._units.get()) is not None:
            work = unit.work
            if work.failure is None:
                await self._settle(unit)
            if unit.index not in work.waiting:
                self._window.release()
            self._advance(work)

    async def _settle(self, unit: _Unit) -> None:
        work = unit.work
        try:
            answer = await self._answer(unit)
        except (RequestFailed, BatchError) as error:
            whose = "AlgorithmError" if isinstance(error, RequestFailed) and not error.of_client else "ClientError"
            work.failure = work.failure or f"{whose}: {said_of(work.source, error)}"
            return
        if work.failure is None:  # another request of this object may have failed meanwhile
            work.waiting[unit.index] = answer

    async def _answer(self, unit: _Unit) -> bytes:
        reply = await self._host.ask(
            Invocation(
                body=unit.request.body,
                content_type=self._spec.content_type,
                accept=self._spec.accept,
                timeout=self._spec.timeout,
                largest_answer=LARGEST_ANSWER,
                chunked=self._limits.chunked,
            )
        )
        unit.work.content_type = unit.work.content_type or reply.content_type
        answer = reply.body
        if self._spec.processing.of_answers:
            given, got = self._spec.input_format, format_of(reply.content_type) or format_of(self._spec.accept)
            answer = await asyncio.to_thread(self._spec.processing.answer, unit.request.inputs, reply.body, given, got)
        return answer + b"\n" if self._spec.by_line and not answer.endswith(b"\n") else answer

    def _advance(self, work: _Work) -> None:
        """See to what can be done for the object now: write answers, or end it."""
        if work.writing or work.over:
            return
        if work.failure is not None:
            for _ in work.waiting:
                self._window.release()
            work.waiting.clear()
            if work.total is not None:
                work.over = True
                self._tasks.create_task(self._give_up(work, work.failure))
        elif work.written in work.waiting:
            work.writing = True
            self._tasks.create_task(self._write(work, work.ready()))
        elif work.written == work.total:
            work.over = True
            self._tasks.create_task(self._finish(work))

    async def _write(self, work: _Work, answers: list[bytes]) -> None:
        await self._in(self._writing, partial(self._write_now, work, answers))
        work.written += len(answers)
        work.writing = False
        for _ in answers:
            self._window.release()
        self._advance(work)

    def _write_now(self, work: _Work, answers: Sequence[bytes]) -> None:
        position = work.source.position
        if position not in self._answers:
            self._answers[position] = Answers(self._blobs)
        self._answers[position].write(answers)

    async def _finish(self, work: _Work) -> None:
        stored = await self._in(self._writing, partial(self._finish_now, work))
        await self._recorder.done(work.source, stored, work.content_type or self._spec.accept)
        self._unrecorded.release()

    def _finish_now(self, work: _Work) -> StoredFile:
        self._write_now(work, [])  # an object without any record has an empty output
        return self._answers.pop(work.source.position).finish()

    async def _in(self, threads: ThreadPoolExecutor, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def _give_up(self, work: _Work, reason: str) -> None:
        left = self._answers.pop(work.source.position, None)
        if left is not None:
            await self._in(self._writing, left.discard)
        self._say(f"[sagemaker logs]: {work.source.bucket}/{work.source.key}: {reason}")
        await self._recorder.failed(work.source, reason)
        self._unrecorded.release()
