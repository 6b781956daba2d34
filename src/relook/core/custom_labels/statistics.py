"""What is counted in a dataset, and which of its entries a listing asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from relook.core.custom_labels.manifest import Entry


@dataclass(frozen=True, slots=True)
class DatasetStats:
    """`DatasetStats` of a dataset: entries with a label, all entries, names of labels, entries with an error."""

    labeled: int = 0
    total: int = 0
    labels: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class LabelStats:
    """`LabelStats` of a label: the images that have it, and those where a box does. None: it is in no box."""

    name: str
    entries: int
    boxes: int | None


def dataset_stats(entries: Iterable[Entry]) -> DatasetStats:
    """Count entries; labels count in annotations with an error, too, for they are declared."""
    labeled = total = errors = 0
    labels: set[str] = set()
    for entry in entries:
        total += 1
        labeled += entry.labeled
        errors += bool(entry.errors)
        labels.update(use.name for use in entry.uses)
    return DatasetStats(labeled, total, len(labels), errors)


def label_stats(entries: Iterable[Entry]) -> list[LabelStats]:
    """Each label of the entries, by name."""
    images: Counter[str] = Counter()
    boxed: Counter[str] = Counter()
    for entry in entries:
        images.update(use.name for use in entry.uses)
        boxed.update(use.name for use in entry.uses if use.boxes)
    return [LabelStats(name, images[name], boxed.get(name)) for name in sorted(images)]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries to list; what is None or False does not restrict, the others all must hold.

    `labels`: at least one of them. `contains`: this in the source-ref, case-sensitive. `errors`: only those with one.
    """

    labels: frozenset[str] | None = None
    labeled: bool | None = None
    contains: str | None = None
    errors: bool = False

    def matches(self, entry: Entry) -> bool:
        return (
            (self.labels is None or any(use.name in self.labels for use in entry.uses))
            and (self.labeled is None or entry.labeled == self.labeled)
            and (self.contains is None or self.contains in entry.source_ref)
            and (not self.errors or bool(entry.errors))
        )
