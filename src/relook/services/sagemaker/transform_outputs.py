"""What a transform job writes: answers in order into a file, and finished files as objects, in groups."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from relook.blobs.files import Staged
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Attributes, StoredFile, Version
from relook.core.clock import Clock
from relook.store import sagemaker_transforms as transforms
from relook.store.engine import Store
from relook.store.sagemaker_transforms import InputObject, Transform, Written

_DEFAULT_TYPE = "application/octet-stream"
_MOST_AT_ONCE = 100


class Superseded(Exception):
    """The job is not in progress any more, or the object was settled by another run: nothing may be written."""


@dataclass(frozen=True, slots=True)
class _Finished:
    source: InputObject
    stored: StoredFile
    content_type: str
    recorded: asyncio.Future[None]


class Answers:
    """The output of one object: parts may come in any order, and are written in theirs. All methods block."""

    def __init__(self, blobs: FolderBlobs) -> None:
        self._staged: Staged = blobs.objects.stage()

    def write(self, parts: Sequence[bytes]) -> None:
        self._staged.write(b"".join(parts))

    def finish(self) -> StoredFile:
        """On disk when this returns."""
        try:
            return self._staged.finish()
        except BaseException:
            self._staged.discard()
            raise

    def discard(self) -> None:
        self._staged.discard()


class Recorder:
    """Makes finished files objects, together with the record that they are done: neither is ever without the other.

    Transactions wait for the disk, so what is finished meanwhile goes into the next one together. Run `run` as a task
    beside those that call `record`.
    """

    def __init__(
        self,
        store: Store,
        blobs: FolderBlobs,
        clock: Clock,
        job: Transform,
        bucket: str,
        on_done: Callable[[int], None],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._job = job
        self._bucket = bucket
        self._on_done = on_done
        self._finished: asyncio.Queue[_Finished] = asyncio.Queue()

    async def done(self, source: InputObject, stored: StoredFile, content_type: str | None) -> None:
        """Returns once the output is an object and recorded."""
        recorded = asyncio.get_running_loop().create_future()
        await self._finished.put(_Finished(source, stored, content_type or _DEFAULT_TYPE, recorded))
        await recorded

    async def failed(self, source: InputObject, reason: str) -> None:
        """Record that the object has no output. Raises Superseded."""
        await asyncio.to_thread(self._write_failed, source, reason)
        self._on_done(1)

    async def run(self) -> None:
        """Until cancelled. Raises BlobError and Superseded."""
        while True:
            group = [await self._finished.get()]
            with contextlib.suppress(asyncio.QueueEmpty):
                while len(group) < _MOST_AT_ONCE:
                    group.append(self._finished.get_nowait())
            await asyncio.to_thread(self._write_done, group)
            for each in group:
                each.recorded.set_result(None)
            self._on_done(len(group))

    def _write_done(self, group: Sequence[_Finished]) -> None:
        def record(connection: Connection, versions: Sequence[Version]) -> None:
            for each, version in zip(group, versions, strict=True):
                written = Written(each.source.position, version.key, version.id, version.etag)
                if not transforms.mark_done(connection, self._job.id, written):
                    raise Superseded

        made = {each.source.output: (each.stored, Attributes({"content-type": each.content_type})) for each in group}
        self._blobs.objects.commit_with(self._job.scope.account, self._bucket, made, record)

    def _write_failed(self, source: InputObject, reason: str) -> None:
        with self._store.write() as connection:
            if not transforms.mark_failed(connection, self._job.id, source.position, reason):
                raise Superseded
