"""The jobs that fill a new dataset, from a manifest or from another dataset.

It shows nothing before it is complete, so it is filled in many short transactions; a manifest may have 1 GB.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from relook.blobs.errors import BlobError, NoRoom, ObjectMissing
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.custom_labels import states
from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.manifest import Entry
from relook.core.custom_labels.states import DATASET_COMPLETE, DatasetStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.jobs.queue import enqueue
from relook.services.rekognition.dataset_steps import (
    AT_ONCE,
    COPY_JOB,
    CREATE_JOB,
    LANE,
    PURGE_JOB,
    SOURCE_CHANGED,
    SOURCE_GONE,
    clear,
    code_of,
    found_in,
    nothing,
)
from relook.services.rekognition.intake import (
    MAX_MANIFEST_BYTES,
    MOST_DROPPED,
    Refused,
    admitted,
    batched,
    too_large,
)
from relook.services.rekognition.left_out import LeftOut
from relook.services.rekognition.limits import Limits
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset


class Filling:
    """Both kinds of job. What an attempt before has left is taken away first."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._limits = limits

    def kinds(self) -> list[JobKind]:
        return [
            JobKind(CREATE_JOB, LANE, self.create, self.failed),
            JobKind(COPY_JOB, LANE, self.copy, self.failed),
        ]

    def create(self, context: JobContext, payload: Payload) -> Completion:
        if not self._is_open(payload["dataset"]):
            return nothing
        clear(self._store, context, payload["dataset"])
        try:
            bucket = self._read_manifest(context, payload)
        except Refused as error:
            raise error.failure(context) from error
        return self._completion(payload["dataset"], states.DATASET_CREATED_FROM_MANIFEST, bucket)

    def copy(self, context: JobContext, payload: Payload) -> Completion:
        if not self._is_open(payload["dataset"]):
            return nothing
        clear(self._store, context, payload["dataset"])
        with self._store.read() as connection:
            source = _source(connection, payload["source"])
        after, done = 0, 0
        while True:
            with self._store.write() as connection:
                _check_open(connection, payload["dataset"])
                if _source(connection, source.id).updated != source.updated:
                    raise JobFailed(SOURCE_CHANGED)
                last = entries.copy_some(connection, source.id, payload["dataset"], after=after, most=AT_ONCE)
            if last is None:
                return self._completion(payload["dataset"], states.DATASET_CREATED_FROM_DATASET, source.bucket)
            after, done = last, done + AT_ONCE
            context.progress("copying entries", done, 0)

    def failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        """What was written already is nobody's to see, and another job takes it away."""
        dataset = found_in(connection, payload["dataset"], DatasetStatus.CREATE_IN_PROGRESS)
        if dataset is None:
            return
        new, now = DatasetStatus.CREATE_FAILED, self._clock()
        datasets.change_status(connection, dataset.id, new, reason, now, code=code_of(reason))
        if entries.count(connection, dataset.id):
            subject, purge = str(dataset.name), {"dataset": dataset.id}
            enqueue(connection, kind=PURGE_JOB, lane=LANE, subject=subject, payload=purge, now=now)

    def _is_open(self, dataset_id: int) -> bool:
        with self._store.read() as connection:
            return found_in(connection, dataset_id, DatasetStatus.CREATE_IN_PROGRESS) is not None

    def _read_manifest(self, context: JobContext, payload: Payload) -> str | None:
        """The bucket of the images. Raises Refused, NoRoom."""
        where = (payload["account"], payload["bucket"], payload["key"], payload["version"])
        bucket, done, left_out = None, 0, LeftOut("manifest")
        try:
            size = self._blobs.size(*where)
            if size > MAX_MANIFEST_BYTES:
                raise Refused(FileError.SIZE_TOO_LARGE, too_large(size))
            with self._blobs.open(*where) as file:
                for some in batched(admitted(file, self._limits, left_out=left_out)):
                    self._append(payload["dataset"], some)
                    bucket, done = some[0].image.bucket, done + len(some)
                    context.progress("reading the manifest", done, 0)
        except NoRoom:
            raise
        except ObjectMissing as error:
            context.log(f"The manifest cannot be read: {error}")
            raise Refused(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT) from error
        except BlobError as error:
            context.log(f"The manifest cannot be read: {error}")
            raise Refused(FileError.INVALID_PERMISSIONS) from error
        for sentence in left_out.sentences(MOST_DROPPED):
            context.log(sentence)
        return bucket

    def _append(self, dataset_id: int, some: Sequence[Entry]) -> None:
        with self._store.write() as connection:
            _check_open(connection, dataset_id)
            entries.append(connection, dataset_id, some)

    def _completion(self, dataset_id: int, message: str, bucket: str | None) -> Completion:
        def complete(connection: Connection) -> None:
            new, now = DatasetStatus.CREATE_COMPLETE, self._clock()
            datasets.change_status(connection, dataset_id, new, message, now, bucket=bucket)

        return complete


def _source(connection: Connection, dataset_id: int) -> Dataset:
    """The dataset to be copied, at rest."""
    source = datasets.get(connection, dataset_id)
    if source is None:
        raise JobFailed(SOURCE_GONE)
    if source.status not in DATASET_COMPLETE:
        raise JobFailed(SOURCE_CHANGED)
    return source


def _check_open(connection: Connection, dataset_id: int) -> None:
    """A job that was given up, but lives on, must not write any more."""
    if found_in(connection, dataset_id, DatasetStatus.CREATE_IN_PROGRESS) is None:
        raise JobFailed("The dataset is not being created any more.")
