"""What to train from which entries: the task, the classes, the split. Pure but for the hashes it asks for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from relook.core.datasets import DatasetLimits
from relook.core.manifest import Label, ManifestEntry
from relook.core.minimums import Census, Minimums, excesses, shortfalls
from relook.core.splits import Split, stratified_split
from relook.vision.samples import DefectClass, Task

MAX_CLASSES = 100
# Colours for classes whose own is taken: the default label colours of the original's annotation tool.
_PALETTE = ("#23A436", "#14A3B3", "#F76902", "#9380FF", "#BD10E0", "#467CE6", "#A09308")


class PlanError(Exception):
    """These datasets cannot be trained on; the message says what is missing or too much, and is for the user."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Entries to train on and to test with, all labelled; `classes` is empty for classification."""

    task: Task
    classes: tuple[DefectClass, ...]
    training: tuple[ManifestEntry, ...]
    test: tuple[ManifestEntry, ...]


def make_plan(
    train: Sequence[ManifestEntry],
    test: Sequence[ManifestEntry] | None,
    *,
    minimums: Minimums,
    limits: DatasetLimits,
    content: Callable[[ManifestEntry], str],
    seed: int,
    task: Task | None = None,
) -> Plan:
    """Decide how to train. `test` is None for a single dataset, which is then split; PlanError if it cannot be. Where
    `minimums` let one of normal images alone train, all of it does: a part of it could tell false alarms alone.

    Masks with defect classes in the train dataset make it a segmentation model, unless `task` says which one is
    wanted: then they are needed, or left unused. `content(entry)` is a hash of the image's bytes; it is asked only of
    images that are split, after everything else was found in order.
    """
    masked = any(entry.defects for entry in train)
    if task is Task.SEGMENTATION and not masked:
        raise PlanError("A segmentation model needs masks that name anomaly labels; the train dataset has none.")
    task = task or (Task.SEGMENTATION if masked else Task.CLASSIFICATION)
    _check(train, test, task, minimums, limits)
    if test is not None:
        return Plan(task, _classes(task, [*train, *test]), tuple(train), tuple(test))
    if all(entry.label is Label.NORMAL for entry in train):
        return Plan(task, (), tuple(train), ())
    split = _split(train, task, content, seed)
    return Plan(task, _classes(task, train), split.training, split.test)


def _split(
    train: Sequence[ManifestEntry], task: Task, content: Callable[[ManifestEntry], str], seed: int
) -> Split[ManifestEntry]:
    """For segmentation each set of defects apart, unless too few images show each for any of them to test with."""
    hashes = {id(entry): content(entry) for entry in train}
    strata: list[Callable[[ManifestEntry], Hashable]] = [lambda entry: entry.label]
    if task is Task.SEGMENTATION:
        strata.insert(0, lambda entry: (entry.label, entry.defects))
    for stratum in strata:
        split = stratified_split(train, stratum=stratum, content=lambda entry: hashes[id(entry)], seed=seed)
        if any(entry.label is Label.ANOMALY for entry in split.test):
            break
    return split


def _check(
    train: Sequence[ManifestEntry],
    test: Sequence[ManifestEntry] | None,
    task: Task,
    minimums: Minimums,
    limits: DatasetLimits,
) -> None:
    segmentation = task is Task.SEGMENTATION
    censuses = Census.of(train), Census.of(test) if test is not None else None
    problems = [
        *shortfalls(*censuses, segmentation=segmentation, minimums=minimums),
        *excesses(*censuses, segmentation=segmentation, limits=limits),
    ]
    if problems:
        raise PlanError(" ".join(problems))


def _classes(task: Task, entries: Sequence[ManifestEntry]) -> tuple[DefectClass, ...]:
    """Classes in order of first appearance, each with a colour of its own: the first one a manifest gives it."""
    if task is Task.CLASSIFICATION:
        return ()
    wanted: dict[str, str] = {}
    for entry in entries:
        if entry.label is Label.ANOMALY and entry.mask is not None:
            for colour, name in entry.mask.colours:
                wanted.setdefault(name, colour)
    if len(wanted) > MAX_CLASSES:
        raise PlanError(f"The datasets name {len(wanted)} anomaly labels; a project has at most {MAX_CLASSES}.")
    free = iter(_unused(set(wanted.values())))
    taken: set[str] = set()
    classes = []
    for name, colour in wanted.items():
        own = colour if colour not in taken else next(free)
        taken.add(own)
        classes.append(DefectClass(name, own))
    return tuple(classes)


def _unused(used: set[str]) -> list[str]:
    ramp = (f"#{shade:02X}{255 - shade:02X}80" for shade in range(0, 256, 2))
    return [colour for colour in (*_PALETTE, *ramp) if colour not in used]
