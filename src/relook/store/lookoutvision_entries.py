"""Named queries on the entries of a dataset. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from relook.core.datasets import EntryFilter
from relook.core.manifest import ManifestEntry
from relook.store.queries import batches, contains
from relook.store.tables.lookoutvision import entries


def page(
    connection: Connection, dataset_id: int, wanted: EntryFilter, *, after: int, limit: int
) -> list[tuple[int, str]]:
    """Positions and lines, in the order the images came into the dataset, from positions greater than `after`."""
    query = (
        select(entries.c.position, entries.c.line)
        .where(entries.c.dataset_id == dataset_id, entries.c.position > after, *_conditions(wanted))
        .order_by(entries.c.position)
        .limit(limit)
    )
    return [(row.position, row.line) for row in connection.execute(query)]


def known(connection: Connection, dataset_id: int, source_refs: Iterable[str]) -> set[str]:
    """Those of `source_refs` that the dataset has."""
    found: set[str] = set()
    for some in batches(list(source_refs)):
        query = select(entries.c.source_ref).where(entries.c.dataset_id == dataset_id, entries.c.source_ref.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def upsert(connection: Connection, dataset_id: int, changed: Sequence[ManifestEntry], now: int) -> None:
    """Replace the entries of known source-refs where they stand, and add the others at the end, in order."""
    present = known(connection, dataset_id, (entry.source_ref for entry in changed))
    fresh = [_values(dataset_id, entry, now) for entry in changed if entry.source_ref not in present]
    replaced = [
        {f"new_{name}": value for name, value in _values(dataset_id, entry, now).items()}
        for entry in changed
        if entry.source_ref in present
    ]
    if fresh:
        connection.execute(insert(entries), fresh)
    if replaced:
        statement = update(entries).where(
            entries.c.dataset_id == bindparam("new_dataset_id"), entries.c.source_ref == bindparam("new_source_ref")
        )
        columns = ("line", "label", "dated")
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in columns}), replaced)


def count(connection: Connection, dataset_id: int) -> int:
    query = select(func.count()).select_from(entries).where(entries.c.dataset_id == dataset_id)
    return connection.execute(query).scalar_one()


def _values(dataset_id: int, entry: ManifestEntry, now: int) -> dict[str, Any]:
    return {
        "dataset_id": dataset_id,
        "source_ref": entry.source_ref,
        "line": entry.line,
        "label": entry.label,
        "dated": entry.label_date if entry.label_date is not None else now,
    }


def _conditions(wanted: EntryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.labeled is not None:
        conditions.append(entries.c.label.is_not(None) if wanted.labeled else entries.c.label.is_(None))
    if wanted.label is not None:
        conditions.append(entries.c.label == wanted.label)
    if wanted.before is not None:
        conditions.append(entries.c.dated < wanted.before)
    if wanted.after is not None:
        conditions.append(entries.c.dated > wanted.after)
    if wanted.contains is not None:
        conditions.append(contains(entries.c.source_ref, wanted.contains))
    return conditions
