"""How many labelled images a training needs (guide, "Prepare images"), and the least that can work at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from relook.core.datasets import DatasetLimits, DatasetType
from relook.core.manifest import Label, ManifestEntry


@dataclass(frozen=True, slots=True)
class Minimums:
    """Images needed: `single_*` without a test dataset, the others with one. `alone` normal ones without an anomaly nor
    a test dataset; None: not to be had."""

    single_normal: int = 20
    single_anomaly: int = 10
    single_per_class: int = 20
    train_normal: int = 10
    test_normal: int = 10
    test_anomaly: int = 10
    per_class: int = 10
    alone: int | None = None


RELAXED = Minimums(
    single_normal=4,
    single_anomaly=2,
    single_per_class=2,
    train_normal=2,
    test_normal=1,
    test_anomaly=1,
    per_class=1,
    alone=4,
)


@dataclass(frozen=True, slots=True)
class Census:
    """What a dataset holds for training: images by label, and anomalies by the defect class they show."""

    normal: int
    anomaly: int
    classes: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, entries: Iterable[ManifestEntry]) -> Census:
        """Count entries. An image counts for each class that its colour map names, in order of first appearance."""
        labels: Counter[Label | None] = Counter()
        classes: Counter[str] = Counter()
        for entry in entries:
            labels[entry.label] += 1
            if entry.label is Label.ANOMALY and entry.mask is not None:
                classes.update(list(dict.fromkeys(name for _, name in entry.mask.colours)))
        return cls(labels[Label.NORMAL], labels[Label.ANOMALY], tuple(classes.items()))


def shortfalls(train: Census, test: Census | None, *, segmentation: bool, minimums: Minimums) -> list[str]:
    """What is missing to train, one sentence each; empty when there is enough. `test` is None for a single dataset."""
    if test is None and minimums.alone is not None and not train.anomaly:
        found = [_lack(DatasetType.TRAIN, "normal", train.normal, minimums.alone)]
        per_class = minimums.single_per_class
    elif test is None:
        found = [
            _lack(DatasetType.TRAIN, "normal", train.normal, minimums.single_normal),
            _lack(DatasetType.TRAIN, "anomaly", train.anomaly, minimums.single_anomaly),
        ]
        if train.normal and not train.anomaly:
            found.append("To train on normal images alone, add a test dataset with normal and anomalous images.")
        per_class = minimums.single_per_class
    else:
        found = [
            _lack(DatasetType.TRAIN, "normal", train.normal, minimums.train_normal),
            _lack(DatasetType.TEST, "normal", test.normal, minimums.test_normal),
            _lack(DatasetType.TEST, "anomaly", test.anomaly, minimums.test_anomaly),
        ]
        per_class = minimums.per_class
    if segmentation:
        found += _class_lacks(train, test, per_class)
    return [text for text in found if text]


def excesses(train: Census, test: Census | None, *, segmentation: bool, limits: DatasetLimits) -> list[str]:
    """What is too much to train on, one sentence each."""
    if not segmentation:
        return []
    return [
        f"The {kind} dataset has {census.normal + census.anomaly} labelled images; a segmentation model takes at most "
        f"{limits.segmentation_images(kind)}."
        for kind, census in _present(train, test)
        if census.normal + census.anomaly > limits.segmentation_images(kind)
    ]


def _class_lacks(train: Census, test: Census | None, needed: int) -> list[str]:
    names = list(dict.fromkeys(name for census in (train, test) if census for name, _ in census.classes))
    return [
        _lack(kind, f'"{name}"', dict(census.classes).get(name, 0), needed)
        for name in names
        for kind, census in _present(train, test)
    ]


def _present(train: Census, test: Census | None) -> list[tuple[DatasetType, Census]]:
    return [(DatasetType.TRAIN, train)] + ([(DatasetType.TEST, test)] if test is not None else [])


def _lack(kind: DatasetType, what: str, have: int, needed: int) -> str:
    if have >= needed:
        return ""
    return f"The {kind} dataset has {have} images labelled {what}; training needs at least {needed}."
