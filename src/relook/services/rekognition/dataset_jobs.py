"""The jobs of datasets: filling a new one, updating and distributing one, and taking the entries of a deleted one away.

A new dataset shows nothing before it is complete, so its manifest, of up to 1 GB, is written in many short
transactions. An update has 5 MB at most and is written in one: all of it, or nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from sqlalchemy import Connection

from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.custom_labels import states
from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.manifest import Entry
from relook.core.custom_labels.states import DatasetStatus, MessageCode
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.services.rekognition import distribution
from relook.services.rekognition.distribution import DISTRIBUTE_JOB, Distribution
from relook.services.rekognition.intake import MAX_MANIFEST_BYTES, Refused, admitted, batched, check_labels
from relook.services.rekognition.limits import Limits
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset

LANE = "label-dataset"
CREATE_JOB = "label-dataset-create"
COPY_JOB = "label-dataset-copy"
UPDATE_JOB = "label-dataset-update"
PURGE_JOB = "label-dataset-purge"
SOURCE_GONE = "The dataset to be copied was deleted."
_PURGED_AT_ONCE = 2000


class DatasetJobs:
    """All kinds of job on datasets."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._limits = limits

    def kinds(self) -> list[JobKind]:
        return [
            JobKind(CREATE_JOB, LANE, self.create, self.create_failed),
            JobKind(COPY_JOB, LANE, self.copy, self.create_failed),
            JobKind(UPDATE_JOB, LANE, self.update, self.update_failed),
            JobKind(DISTRIBUTE_JOB, LANE, self.distribute, self.distribute_failed),
            JobKind(PURGE_JOB, LANE, self.purge, self.purge_failed),
        ]

    def create(self, context: JobContext, payload: Payload) -> Completion:
        """Read the manifest; what an attempt before this one has left is taken away first."""
        dataset = self._get(payload["dataset"], DatasetStatus.CREATE_IN_PROGRESS)
        if dataset is None:
            return _nothing
        self._clear(context, dataset.id)
        try:
            bucket = self._read_manifest(context, payload, dataset.id)
        except Refused as error:
            self._clear(context, dataset.id)
            raise JobFailed(str(error)) from error
        return self._completion(dataset.id, states.DATASET_CREATED_FROM_MANIFEST, bucket)

    def copy(self, context: JobContext, payload: Payload) -> Completion:
        """All entries in one transaction, so that they are those of one moment."""

        def complete(connection: Connection) -> None:
            source = datasets.get(connection, payload["source"])
            if source is None:
                self.create_failed(connection, payload, SOURCE_GONE)
            elif _is(connection, payload["dataset"], DatasetStatus.CREATE_IN_PROGRESS):
                entries.copy(connection, source.id, payload["dataset"])
                self._completion(payload["dataset"], states.DATASET_CREATED_FROM_DATASET, source.bucket)(connection)

        return complete

    def create_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        if not _is(connection, payload["dataset"], DatasetStatus.CREATE_IN_PROGRESS):
            return
        while entries.remove_some(connection, payload["dataset"], _PURGED_AT_ONCE):
            pass
        new = DatasetStatus.CREATE_FAILED
        datasets.change_status(connection, payload["dataset"], new, reason, self._clock(), code=code_of(reason))

    def update(self, context: JobContext, payload: Payload) -> Completion:
        """Check the whole batch before anything of it is written, in the completion."""
        dataset = self._get(payload["dataset"], DatasetStatus.UPDATE_IN_PROGRESS)
        if dataset is None:
            return _nothing
        try:
            found, present = self._read_changes(dataset)
        except Refused as error:
            raise JobFailed(str(error)) from error
        replaced = {present[entry.source_ref]: entry for entry in found if entry.source_ref in present}
        fresh = [entry for entry in found if entry.source_ref not in present]

        def complete(connection: Connection) -> None:
            # Nobody else changes a dataset while it is updated.
            entries.replace(connection, dataset.id, replaced)
            entries.append(connection, dataset.id, fresh)
            datasets.drop_changes(connection, dataset.id)
            new, now, bucket = DatasetStatus.UPDATE_COMPLETE, self._clock(), found[0].image.bucket
            datasets.change_status(connection, dataset.id, new, states.DATASET_UPDATED, now, bucket=bucket)

        return complete

    def update_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        datasets.drop_changes(connection, payload["dataset"])
        new = DatasetStatus.UPDATE_FAILED
        datasets.change_status(connection, payload["dataset"], new, reason, self._clock(), code=code_of(reason))

    def distribute(self, context: JobContext, payload: Payload) -> Completion:
        """Chosen before the write lock is taken: nobody else changes the two while this runs."""
        pair = Distribution.of(payload)
        if self._get(pair.train, DatasetStatus.UPDATE_IN_PROGRESS) is None:
            return _nothing
        with self._store.read() as connection:
            chosen = distribution.choose(connection, pair)
        return lambda connection: distribution.distribute(connection, pair, chosen, self._clock())

    def distribute_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        distribution.failed(connection, Distribution.of(payload), reason, code_of(reason), self._clock())

    def purge(self, context: JobContext, payload: Payload) -> Completion:
        self._clear(context, payload["dataset"])
        return lambda connection: datasets.remove(connection, payload["dataset"])

    def purge_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        datasets.remove(connection, payload["dataset"])

    def _get(self, dataset_id: int, status: DatasetStatus) -> Dataset | None:
        """None where the dataset has moved on without this job."""
        with self._store.read() as connection:
            dataset = datasets.get(connection, dataset_id)
        return dataset if dataset is not None and dataset.status is status else None

    def _read_manifest(self, context: JobContext, payload: Payload, dataset_id: int) -> str | None:
        """The bucket of the images. Raises Refused."""
        where = (payload["account"], payload["bucket"], payload["key"], payload["version"])
        bucket, done = None, 0
        try:
            if self._blobs.size(*where) > MAX_MANIFEST_BYTES:
                raise Refused(FileError.SIZE_TOO_LARGE)
            with self._blobs.open(*where) as file:
                for some in batched(admitted(file, self._limits)):
                    self._append(dataset_id, some)
                    bucket, done = some[0].image.bucket, done + len(some)
                    context.progress("reading the manifest", done, 0)
        except BlobError as error:
            context.log(f"the manifest cannot be read: {error}")
            raise Refused(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT) from error
        return bucket

    def _append(self, dataset_id: int, some: Sequence[Entry]) -> None:
        with self._store.write() as connection:
            if not _is(connection, dataset_id, DatasetStatus.CREATE_IN_PROGRESS):
                raise JobFailed("The dataset is not being created any more.")
            entries.append(connection, dataset_id, some)

    def _read_changes(self, dataset: Dataset) -> tuple[list[Entry], dict[str, int]]:
        """The entries, one at least, and the positions of those source-refs that are there. Raises Refused."""
        with self._store.read() as connection:
            lines = datasets.held_changes(connection, dataset.id)
            if lines is None:
                raise JobFailed("The changes are not there any more; send them again with UpdateDatasetEntries.")
            found = list(admitted(io.BytesIO(lines), self._limits, dataset.bucket))
            present = entries.positions(connection, dataset.id, [entry.source_ref for entry in found])
            names = entries.names_without(connection, dataset.id, present.values())
            after = entries.count(connection, dataset.id) + len(found) - len(present)
        if after > self._limits.images:
            raise Refused(FileError.ROWS_EXCEEDS_MAXIMUM)
        check_labels(names.union(use.name for entry in found for use in entry.uses), self._limits)
        return found, present

    def _clear(self, context: JobContext, dataset_id: int) -> None:
        """Take all entries away, in transactions that keep nobody waiting."""
        removed = 0
        while True:
            with self._store.write() as connection:
                some = entries.remove_some(connection, dataset_id, _PURGED_AT_ONCE)
            if some == 0:
                return
            removed += some
            context.progress("removing entries", removed, 0)

    def _completion(self, dataset_id: int, message: str, bucket: str | None) -> Completion:
        def complete(connection: Connection) -> None:
            new, now = DatasetStatus.CREATE_COMPLETE, self._clock()
            datasets.change_status(connection, dataset_id, new, message, now, bucket=bucket)

        return complete


def code_of(reason: str) -> MessageCode:
    """Whose fault a failure is: the client's where the reason is one of those it can do something about."""
    known = {*(error.message for error in FileError), SOURCE_GONE}
    return MessageCode.CLIENT_ERROR if reason in known else MessageCode.SERVICE_ERROR


def _is(connection: Connection, dataset_id: int, status: DatasetStatus) -> bool:
    dataset = datasets.get(connection, dataset_id)
    return dataset is not None and dataset.status is status


def _nothing(connection: Connection) -> None:
    """The dataset has moved on without this job."""
