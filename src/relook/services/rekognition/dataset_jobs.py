"""The jobs of datasets: filling a new one, updating and distributing one, and taking entries away.

An update has 5 MB at most and is written in one transaction: all of it, or nothing.
"""

from __future__ import annotations

import io

from sqlalchemy import Connection

from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.custom_labels import states
from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.manifest import Entry
from relook.core.custom_labels.states import DatasetStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.services.rekognition import distribution
from relook.services.rekognition.dataset_filling import Filling
from relook.services.rekognition.dataset_steps import (
    DISTRIBUTE_JOB,
    LANE,
    PURGE_JOB,
    SPLIT_JOB,
    UPDATE_JOB,
    clear,
    code_of,
    found_in,
    nothing,
)
from relook.services.rekognition.distribution import Distribution
from relook.services.rekognition.intake import MOST_DROPPED, Refused, admitted, check_labels
from relook.services.rekognition.left_out import LeftOut
from relook.services.rekognition.limits import Limits
from relook.store import rekognition_datasets as datasets
from relook.store import rekognition_entries as entries
from relook.store.engine import Store
from relook.store.rekognition_datasets import Dataset


class DatasetJobs:
    """All kinds of job on datasets."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._filling = Filling(store, blobs, clock, limits)

    def kinds(self) -> list[JobKind]:
        return [
            *self._filling.kinds(),
            JobKind(UPDATE_JOB, LANE, self.update, self.update_failed),
            JobKind(DISTRIBUTE_JOB, LANE, self.distribute, self.distribute_failed),
            JobKind(SPLIT_JOB, LANE, self.split, self.distribute_failed),
            JobKind(PURGE_JOB, LANE, self.purge, self.purge_failed),
        ]

    def update(self, context: JobContext, payload: Payload) -> Completion:
        """Check the whole batch before anything of it is written, in the completion."""
        dataset = self._get(payload["dataset"])
        if dataset is None:
            return nothing
        left_out = LeftOut("changes")
        try:
            found, present = self._read_changes(dataset, left_out)
        except Refused as error:
            raise error.failure(context) from error
        for sentence in left_out.sentences(MOST_DROPPED):
            context.log(sentence)
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
        pair = Distribution(payload["train"], payload["test"])
        if self._get(pair.train) is None:
            return nothing
        chosen = distribution.move_in_steps(self._store, context, pair)
        return lambda connection: distribution.finish(connection, pair, chosen, self._clock())

    def split(self, context: JobContext, payload: Payload) -> Completion:
        """What a training has chosen to test with."""
        pair = Distribution(payload["train"], payload["test"])
        if self._get(pair.train) is None:
            return nothing
        distribution.move_chosen(self._store, context, pair, payload["chosen"])
        return lambda connection: distribution.finish(connection, pair, True, self._clock())

    def distribute_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        pair = Distribution(payload["train"], payload["test"])
        if found_in(connection, pair.train, DatasetStatus.UPDATE_IN_PROGRESS) is not None:
            distribution.fail(connection, pair, reason, code_of(reason), self._clock())

    def purge(self, context: JobContext, payload: Payload) -> Completion:
        """The entries of a deleted dataset, which goes with the last of them, or of one that could not be created."""
        clear(self._store, context, payload["dataset"])
        return lambda connection: datasets.remove(connection, payload["dataset"])

    def purge_failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        datasets.remove(connection, payload["dataset"])

    def _get(self, dataset_id: int) -> Dataset | None:
        with self._store.read() as connection:
            return found_in(connection, dataset_id, DatasetStatus.UPDATE_IN_PROGRESS)

    def _read_changes(self, dataset: Dataset, left_out: LeftOut) -> tuple[list[Entry], dict[str, int]]:
        """The entries, one at least, and the positions of those source-refs that are there. Raises Refused."""
        with self._store.read() as connection:
            lines = datasets.held_changes(connection, dataset.id)
            if lines is None:
                raise JobFailed("The changes are not there any more; send them again with UpdateDatasetEntries.")
            found = list(admitted(io.BytesIO(lines), self._limits, dataset.bucket, left_out))
            present = entries.positions(connection, dataset.id, [entry.source_ref for entry in found])
            names = entries.names_without(connection, dataset.id, present.values())
            after = entries.count(connection, dataset.id) + len(found) - len(present)
        if after > self._limits.images:
            most = f"at most {self._limits.images:,} may be"
            raise Refused(FileError.ROWS_EXCEEDS_MAXIMUM, f"With the changes there are {after:,} images; {most}.")
        after_all = names.union(use.name for entry in found for use in entry.uses)
        check_labels(after_all, self._limits, "With the changes there")
        return found, present
