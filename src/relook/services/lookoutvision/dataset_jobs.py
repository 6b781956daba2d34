"""The jobs that read manifests: CreateDataset with a source, and UpdateDatasetEntries."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from sqlalchemy import Connection

from relook.blobs.errors import BlobError
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.datasets import MAX_IMAGE_BYTES, MAX_MANIFEST_BYTES, DatasetLimits
from relook.core.locations import S3Location
from relook.core.manifest import PROBLEMS_SHOWN, ManifestEntry, ManifestError, combined, read_manifest
from relook.core.states import DatasetStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.services.lookoutvision import messages
from relook.store import lookoutvision_datasets as datasets
from relook.store import lookoutvision_entries as entries
from relook.store.engine import Store
from relook.store.lookoutvision_datasets import Dataset

LANE = "dataset"
CREATE_JOB = "dataset-create"
UPDATE_JOB = "dataset-update"
_PROGRESS_EVERY = 200


class DatasetJobs:
    """Both kinds of job; `limits` are the most images a dataset may have."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, limits: DatasetLimits) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._limits = limits

    def kinds(self) -> list[JobKind]:
        return [
            JobKind(CREATE_JOB, LANE, self.create, self.create_failed),
            JobKind(UPDATE_JOB, LANE, self.update, self.update_failed),
        ]

    def create(self, context: JobContext, payload: Payload) -> Completion:
        """Read the manifest and check every image; all entries are written in the completion."""
        dataset = self._get(payload)
        if dataset is None or dataset.status is not DatasetStatus.CREATE_IN_PROGRESS:
            return _nothing
        manifest = S3Location(payload["bucket"], payload["key"])
        try:
            found = self._read_object(context, payload["account"], manifest, payload["version"], dataset)
            self._check_images(context, payload["account"], found)
        except ManifestError as error:
            raise JobFailed(f"{manifest}, {error}") from error
        except BlobError as error:
            raise JobFailed(f"The manifest cannot be read: {error}") from error
        return self._completion(dataset, list(found.values()), DatasetStatus.CREATE_COMPLETE, messages.DATASET_CREATED)

    def create_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        dataset = datasets.get(connection, payload["dataset"])
        if dataset is not None and dataset.status is DatasetStatus.CREATE_IN_PROGRESS:
            message = f"{messages.DATASET_CREATE_FAILED} {reason}"
            datasets.change_status(connection, dataset.id, DatasetStatus.CREATE_FAILED, message, self._clock())

    def update(self, context: JobContext, payload: Payload) -> Completion:
        """Check the whole batch before anything of it is written, in the completion."""
        dataset = self._get(payload)
        if dataset is not None and dataset.status is DatasetStatus.UPDATE_FAILED_ROLLBACK_IN_PROGRESS:
            raise JobFailed(dataset.message)
        if dataset is None or dataset.status is not DatasetStatus.UPDATE_IN_PROGRESS:
            return _nothing
        try:
            changed = self._read_changes(context, dataset)
            self._check_images(context, payload["account"], changed)
        except ManifestError as error:
            self._announce_rollback(dataset, str(error))
            raise JobFailed(str(error)) from error
        return self._completion(
            dataset, list(changed.values()), DatasetStatus.UPDATE_COMPLETE, messages.DATASET_UPDATED
        )

    def update_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        dataset = datasets.get(connection, payload["dataset"])
        running = (DatasetStatus.UPDATE_IN_PROGRESS, DatasetStatus.UPDATE_FAILED_ROLLBACK_IN_PROGRESS)
        if dataset is not None and dataset.status in running:
            datasets.drop_changes(connection, dataset.id)
            message = f"{messages.DATASET_UPDATE_FAILED} {reason}"
            new = DatasetStatus.UPDATE_FAILED_ROLLBACK_COMPLETE
            datasets.change_status(connection, dataset.id, new, message, self._clock())

    def _get(self, payload: Payload) -> Dataset | None:
        with self._store.read() as connection:
            return datasets.get(connection, payload["dataset"])

    def _read_object(
        self, context: JobContext, account: str, manifest: S3Location, version: str | None, dataset: Dataset
    ) -> dict[str, tuple[int, ManifestEntry]]:
        size = self._blobs.size(account, manifest.bucket, manifest.key, version)
        if size > MAX_MANIFEST_BYTES:
            raise ManifestError(f"the file has {size} bytes; a manifest has at most {MAX_MANIFEST_BYTES} (1 GB)")
        with self._blobs.open(account, manifest.bucket, manifest.key, version) as file:
            return self._collect(context, file, dataset)

    def _read_changes(self, context: JobContext, dataset: Dataset) -> dict[str, tuple[int, ManifestEntry]]:
        with self._store.read() as connection:
            lines = datasets.held_changes(connection, dataset.id)
            before = entries.count(connection, dataset.id)
        if lines is None:
            raise JobFailed("The changes are not there any more; send them again with UpdateDatasetEntries.")
        changed = self._collect(context, io.BytesIO(lines), dataset)
        with self._store.read() as connection:
            present = entries.known(connection, dataset.id, changed)
        self._check_count(dataset, before + len(changed) - len(present))
        return changed

    def _collect(self, context: JobContext, file: BinaryIO, dataset: Dataset) -> dict[str, tuple[int, ManifestEntry]]:
        """Entries with their line numbers, by source-ref: the last line of a source-ref wins, as in an upsert."""
        found: dict[str, tuple[int, ManifestEntry]] = {}
        for number, entry in read_manifest(file, bucket=dataset.bucket):
            found[entry.source_ref] = (number, entry)
            self._check_count(dataset, len(found))
            if number % _PROGRESS_EVERY == 0:
                context.progress("reading the manifest", number, 0)
        return found

    def _check_count(self, dataset: Dataset, images: int) -> None:
        most = self._limits.images(dataset.type)
        if images > most:
            raise ManifestError(
                f"there are more than {most} images; that is the most a {dataset.type} dataset can have"
            )

    def _check_images(self, context: JobContext, account: str, found: dict[str, tuple[int, ManifestEntry]]) -> None:
        """Every image and mask must be there and an image no larger than 8 MB; names the first few that are not."""
        problems: list[ManifestError] = []
        for done, (number, entry) in enumerate(found.values()):
            rule = self._problem(account, entry)
            if rule is not None:
                problems.append(ManifestError(rule, number))
                if len(problems) == PROBLEMS_SHOWN:
                    break
            if done % _PROGRESS_EVERY == 0:
                context.progress("checking the images", done, len(found))
        if problems:
            raise combined(problems)

    def _problem(self, account: str, entry: ManifestEntry) -> str | None:
        try:
            size = self._blobs.size(account, entry.image.bucket, entry.image.key)
            if entry.mask is not None:
                self._blobs.size(account, entry.mask.location.bucket, entry.mask.location.key)
        except BlobError as error:
            return str(error)
        if size > MAX_IMAGE_BYTES:
            return f"{entry.source_ref} has {size} bytes; an image has at most {MAX_IMAGE_BYTES} (8 MB)"
        return None

    def _announce_rollback(self, dataset: Dataset, reason: str) -> None:
        status = DatasetStatus.UPDATE_FAILED_ROLLBACK_IN_PROGRESS
        with self._store.write() as connection:
            datasets.change_status(connection, dataset.id, status, reason, self._clock())

    def _completion(
        self,
        dataset: Dataset,
        found: Sequence[tuple[int, ManifestEntry]],
        status: DatasetStatus,
        message: str,
    ) -> Completion:
        changed = [entry for _, entry in found]

        def complete(connection: Connection) -> None:
            now = self._clock()
            entries.upsert(connection, dataset.id, changed, now)
            datasets.drop_changes(connection, dataset.id)
            datasets.change_status(connection, dataset.id, status, message, now, bucket=_bucket(changed))

        return complete


def _bucket(changed: Iterable[ManifestEntry]) -> str | None:
    return next((entry.image.bucket for entry in changed), None)


def _nothing(connection: Connection) -> None:
    """The resource has moved on without this job."""
