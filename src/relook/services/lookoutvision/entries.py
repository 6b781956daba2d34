"""The entries of a dataset."""

from __future__ import annotations

from collections.abc import Callable

from relook.aws.operation import Members, RequestContext, operation
from relook.core.datasets import DatasetType, EntryFilter
from relook.core.dates import to_milliseconds
from relook.core.manifest import Label
from relook.core.states import DATASET_COMPLETE, DatasetStatus
from relook.core.wording import either
from relook.jobs.queue import enqueue
from relook.services.lookoutvision import messages
from relook.services.lookoutvision.dataset_jobs import LANE, UPDATE_JOB
from relook.services.lookoutvision.errors import ResourceType, conflict, validation
from relook.services.lookoutvision.lookups import (
    dataset_id,
    dataset_subject,
    require_dataset,
    require_project,
    scope_of,
)
from relook.services.lookoutvision.pages import paged
from relook.services.lookoutvision.replays import Call
from relook.store import lookoutvision_datasets as datasets
from relook.store import lookoutvision_entries as entries
from relook.store.engine import Store


class Entries:
    """ListDatasetEntries, UpdateDatasetEntries."""

    def __init__(self, store: Store, wake_jobs: Callable[[], None]) -> None:
        self._store = store
        self._wake_jobs = wake_jobs

    @operation("ListDatasetEntries")
    def list(self, context: RequestContext, members: Members) -> Members:
        """Lines as they came, in the order the images came into the dataset; filters combine with AND."""
        wanted = _filter(members)
        with self._store.read() as connection:
            project = require_project(connection, scope_of(context), members["ProjectName"])
            dataset = require_dataset(connection, project, DatasetType(members["DatasetType"]))
            found, token = paged(
                context,
                members,
                ("ListDatasetEntries", dataset.id, wanted.labeled, wanted.label, *_rest(wanted)),
                lambda after, limit: entries.page(connection, dataset.id, wanted, after=after, limit=limit),
                lambda item: item[0],
            )
        return {"DatasetEntries": [line for _, line in found], **token}

    @operation("UpdateDatasetEntries")
    def update(self, context: RequestContext, members: Members) -> Members:
        """A job upserts the batch by source-ref, all or nothing."""
        name, kind = members["ProjectName"], DatasetType(members["DatasetType"])
        resource = dataset_id(name, kind)
        call = Call.of(context, "UpdateDatasetEntries", resource, members)
        with self._store.write() as connection:
            first = call.replay(connection, validation, lambda made: datasets.get(connection, made) is not None)
            if first is not None:
                return first
            project = require_project(connection, scope_of(context), name)
            dataset = require_dataset(connection, project, kind)
            if dataset.status not in DATASET_COMPLETE:
                raise conflict(
                    ResourceType.DATASET,
                    resource,
                    f"Dataset {resource} is {dataset.status}; UpdateDatasetEntries needs {either(DATASET_COMPLETE)}",
                )
            status = DatasetStatus.UPDATE_IN_PROGRESS
            datasets.change_status(connection, dataset.id, status, messages.DATASET_UPDATING, context.now)
            datasets.keep_changes(connection, dataset.id, bytes(members["Changes"]))
            payload = {"dataset": dataset.id, "account": context.account}
            subject = dataset_subject(project.scope, name, kind)
            enqueue(connection, kind=UPDATE_JOB, lane=LANE, subject=subject, payload=payload, now=context.now)
            result = call.remember(connection, {"Status": status.value}, dataset.id)
        self._wake_jobs()
        return result


def _filter(members: Members) -> EntryFilter:
    before, after = members.get("BeforeCreationDate"), members.get("AfterCreationDate")
    label = members.get("AnomalyClass")
    return EntryFilter(
        labeled=members.get("Labeled"),
        label=Label(label) if label is not None else None,
        before=to_milliseconds(before) if before is not None else None,
        after=to_milliseconds(after) if after is not None else None,
        contains=members.get("SourceRefContains"),
    )


def _rest(wanted: EntryFilter) -> tuple[int | str | None, ...]:
    return (wanted.before, wanted.after, wanted.contains)
