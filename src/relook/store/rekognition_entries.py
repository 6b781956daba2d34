"""Named queries on the entries of Custom Labels datasets and on their labels. All run in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, insert, literal, select, update

from relook.core.custom_labels.distribution import Item
from relook.core.custom_labels.manifest import Entry, Kind, read_line
from relook.core.custom_labels.statistics import DatasetStats, EntryFilter, LabelStats
from relook.store.queries import batches, contains
from relook.store.tables.rekognition import entries, labels, training_entries

_COLUMNS = ("line", "labelled", "errors")


def page(
    connection: Connection, dataset_id: int, wanted: EntryFilter, *, after: int | None, limit: int
) -> list[tuple[int, str]]:
    """Positions and lines, in the order the images came into the dataset, from positions greater than `after`."""
    query = (
        select(entries.c.position, entries.c.line)
        .where(entries.c.dataset_id == dataset_id, entries.c.position > (after or 0), *_conditions(dataset_id, wanted))
        .order_by(entries.c.position)
        .limit(limit)
    )
    return [(row.position, row.line) for row in connection.execute(query)]


def count(connection: Connection, dataset_id: int) -> int:
    query = select(func.count()).select_from(entries).where(entries.c.dataset_id == dataset_id)
    return connection.execute(query).scalar_one()


def count_uses(connection: Connection, dataset_id: int) -> int:
    """How many labels the entries declare, each entry on its own."""
    query = select(func.count()).select_from(labels).where(labels.c.dataset_id == dataset_id)
    return connection.execute(query).scalar_one()


def stats(connection: Connection, dataset_id: int) -> DatasetStats:
    query = select(
        func.count(),
        func.count().filter(entries.c.labelled),
        func.count().filter(entries.c.errors > 0),
    ).where(entries.c.dataset_id == dataset_id)
    total, labelled, errors = connection.execute(query).one()
    return DatasetStats(labelled, total, _names(connection, dataset_id), errors)


def label_stats(connection: Connection, dataset_id: int) -> list[LabelStats]:
    """Of every label that is declared, by name."""
    query = (
        select(labels.c.name, func.count(), func.count().filter(labels.c.boxes > 0))
        .where(labels.c.dataset_id == dataset_id)
        .group_by(labels.c.name)
        .order_by(labels.c.name)
    )
    return [LabelStats(name, total, boxed or None) for name, total, boxed in connection.execute(query)]


def positions(connection: Connection, dataset_id: int, source_refs: Collection[str]) -> dict[str, int]:
    """Those of `source_refs` that the dataset has, with their positions."""
    found: dict[str, int] = {}
    for some in batches(list(source_refs)):
        query = select(entries.c.source_ref, entries.c.position).where(
            entries.c.dataset_id == dataset_id, entries.c.source_ref.in_(some)
        )
        found.update({row.source_ref: row.position for row in connection.execute(query)})
    return found


def names_without(connection: Connection, dataset_id: int, without: Collection[int]) -> set[str]:
    """The labels that are declared by other entries than those at these positions."""
    uses = Counter({label.name: label.entries for label in label_stats(connection, dataset_id)})
    for some in batches(list(without)):
        query = select(labels.c.name, func.count()).where(labels.c.position.in_(some)).group_by(labels.c.name)
        uses.subtract({name: number for name, number in connection.execute(query)})
    return {name for name, number in uses.items() if number > 0}


def append(connection: Connection, dataset_id: int, found: Sequence[Entry]) -> None:
    """At the end, in order. The dataset must have none of their source-refs."""
    if not found:
        return
    rows = [{"dataset_id": dataset_id, "source_ref": entry.source_ref, **_values(entry)} for entry in found]
    made = insert(entries).returning(entries.c.position, sort_by_parameter_order=True)
    places = connection.execute(made, rows).scalars()
    _declare(connection, dataset_id, zip(places, found, strict=True))


def replace(connection: Connection, dataset_id: int, found: Mapping[int, Entry]) -> None:
    """Put these in the place of the entries at their positions, labels and all; a training keeps the old ones."""
    for some in batches(list(found)):
        _keep_lines(connection, some)
        connection.execute(delete(labels).where(labels.c.position.in_(some)))
    if found:
        columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _COLUMNS}
        rows = [
            {"at": position, **{f"new_{name}": value for name, value in _values(entry).items()}}
            for position, entry in found.items()
        ]
        connection.execute(update(entries).where(entries.c.position == bindparam("at")).values(columns), rows)
    _declare(connection, dataset_id, found.items())


def copy_some(connection: Connection, source: int, target: int, *, after: int, most: int) -> int | None:
    """The next entries of a dataset, those behind `after`, into another that has none of them; the last position."""
    some = select(entries.c.position).where(entries.c.dataset_id == source, entries.c.position > after)
    last = connection.execute(
        select(func.max(some.order_by(entries.c.position).limit(most).subquery().c.position))
    ).scalar_one()
    if last is None:
        return None
    columns = ("source_ref", *_COLUMNS)
    lines = (
        select(literal(target), *(entries.c[name] for name in columns))
        .where(entries.c.dataset_id == source, entries.c.position > after, entries.c.position <= last)
        .order_by(entries.c.position)
    )
    connection.execute(insert(entries).from_select(["dataset_id", *columns], lines))
    old, new = entries.alias(), entries.alias()
    names = (
        select(literal(target), labels.c.name, new.c.position, labels.c.boxes)
        .select_from(old)
        .join(labels, labels.c.position == old.c.position)
        .join(new, new.c.source_ref == old.c.source_ref)
        .where(old.c.dataset_id == source, old.c.position > after, old.c.position <= last, new.c.dataset_id == target)
    )
    connection.execute(insert(labels).from_select(["dataset_id", "name", "position", "boxes"], names))
    return int(last)


def items(connection: Connection, dataset_id: int) -> tuple[list[int], list[Item]]:
    """Positions, in order, and for each what a distribution needs to know of its entry: the labels that it teaches, not
    all that it declares where something is wrong with it."""
    wrong = case((entries.c.errors > 0, entries.c.line)).label("wrong")
    query = (
        select(entries.c.position, entries.c.source_ref, wrong, labels.c.name)
        .outerjoin(labels, labels.c.position == entries.c.position)
        .where(entries.c.dataset_id == dataset_id)
        .order_by(entries.c.position)
    )
    grouped = groupby(connection.execute(query), key=lambda row: (row.position, row.source_ref, row.wrong))
    found = []
    for (position, source_ref, line), rows in grouped:
        declared = frozenset(row.name for row in rows if row.name is not None)
        found.append((position, Item(source_ref, declared if line is None else _taught(line))))
    return [position for position, _ in found], [item for _, item in found]


def _taught(line: str) -> frozenset[str]:
    entry = read_line(line)
    kinds = (Kind.IMAGE_LEVEL, Kind.OBJECTS)
    return frozenset(name for kind in kinds for name in entry.taught(kind)) if isinstance(entry, Entry) else frozenset()


def move(connection: Connection, chosen: Sequence[int], target: int) -> None:
    """The entries at these positions into another dataset; they keep their positions."""
    for some in batches(chosen):
        for table in (entries, labels):
            connection.execute(update(table).where(table.c.position.in_(some)).values(dataset_id=target))


def some_positions(connection: Connection, dataset_id: int, most: int) -> list[int]:
    """At most so many of a dataset's positions."""
    query = select(entries.c.position).where(entries.c.dataset_id == dataset_id).limit(most)
    return list(connection.execute(query).scalars())


def remove_some(connection: Connection, dataset_id: int, most: int) -> int:
    """Take at most so many entries away; how many these were."""
    some = select(entries.c.position).where(entries.c.dataset_id == dataset_id).limit(most)
    return connection.execute(delete(entries).where(entries.c.position.in_(some))).rowcount


def _names(connection: Connection, dataset_id: int) -> int:
    """How many labels are declared: a step in the index for each, not one for each image that has it."""
    found, last = 0, ""
    while True:
        query = select(func.min(labels.c.name)).where(labels.c.dataset_id == dataset_id, labels.c.name > last)
        name = connection.execute(query).scalar_one()
        if name is None:
            return found
        found, last = found + 1, name


def _keep_lines(connection: Connection, positions: Sequence[int]) -> None:
    """For the trainings that began with these entries as they are now."""
    line = select(entries.c.line).where(entries.c.position == training_entries.c.entry).scalar_subquery()
    held = training_entries.c.entry.in_(positions) & training_entries.c.line.is_(None)
    connection.execute(update(training_entries).where(held).values(line=line))


def _values(entry: Entry) -> dict[str, Any]:
    return {"line": entry.dataset_line(), "labelled": entry.labeled, "errors": len(entry.errors)}


def _declare(connection: Connection, dataset_id: int, found: Iterable[tuple[int, Entry]]) -> None:
    rows = [
        {"dataset_id": dataset_id, "name": use.name, "position": position, "boxes": use.boxes}
        for position, entry in found
        for use in entry.uses
    ]
    if rows:
        connection.execute(insert(labels), rows)


def _conditions(dataset_id: int, wanted: EntryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.labels is not None:
        having = select(labels.c.position).where(labels.c.dataset_id == dataset_id, labels.c.name.in_(wanted.labels))
        conditions.append(entries.c.position.in_(having))
    if wanted.labeled is not None:
        conditions.append(entries.c.labelled == wanted.labeled)
    if wanted.errors:
        conditions.append(entries.c.errors > 0)
    if wanted.contains is not None:
        conditions.append(contains(entries.c.source_ref, wanted.contains))
    return conditions
