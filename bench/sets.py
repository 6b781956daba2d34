"""The anomaly sets of ../shared: what trains, what the official test is, and what is dealt out in cross-validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.bed import BOARD, COOKIE, SHARED
from relook.vision.images import size_of
from relook.vision.masks import ClassMap, decode_mask
from relook.vision.samples import DefectClass, MaskSource, Sample, Task

ALIENS = SHARED / "data" / "lookout_aliens"
CRACKED = DefectClass("cracked", "#23A436")
FOLDS = 4
_DEAL = 4_711
"""The seed of the folds: another way to deal out the images than any that training itself uses."""


@dataclass(frozen=True)
class DataSet:
    """`official` splits `training` from `test`; `pool` is what is dealt out in cross-validation, empty for none.

    `classes` are those the model is to segment, `masked` those of the masks that its heat map is held against. With
    `normals_only` training is given no anomaly, though the held-out images have some.
    """

    name: str
    training: Sequence[Sample]
    test: Sequence[Sample]
    pool: Sequence[Sample]
    classes: tuple[DefectClass, ...] = ()
    masked: tuple[DefectClass, ...] = ()
    normals_only: bool = False

    @property
    def task(self) -> Task:
        return Task.SEGMENTATION if self.classes else Task.CLASSIFICATION

    def splits(self) -> dict[str, tuple[list[Sample], list[Sample]]]:
        """`official` and `fold 1` to `fold 4`, as far as the set has them: what trains, what is answered."""
        found = {}
        if self.test:
            found["official"] = (self._taught(self.training), list(self.test))
        fold = deal([sample.anomalous for sample in self.pool])
        for held in range(FOLDS if self.pool else 0):
            inside = [sample for sample, at in zip(self.pool, fold, strict=True) if at != held]
            outside = [sample for sample, at in zip(self.pool, fold, strict=True) if at == held]
            found[f"fold {held + 1}"] = (self._taught(inside), outside)
        return found

    def _taught(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample for sample in samples if not (self.normals_only and sample.anomalous)]


def deal(anomalous: Sequence[bool]) -> list[int]:
    """The fold of each image: every label evenly over the folds, in an order drawn by a fixed seed."""
    rng, labels = np.random.default_rng(_DEAL), np.array(anomalous, bool)
    fold = np.zeros(len(labels), np.int64)
    for label in (False, True):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold.tolist()


def without_anomalies(data: DataSet) -> DataSet:
    """The same pictures where training is given only the normal ones."""
    return replace(data, name=f"{data.name}, normals only", classes=(), normals_only=True)


def truth_of(sample: Sample, classes: Sequence[DefectClass]) -> ClassMap | None:
    """(height, width) class indices: the mask, zeros for a normal image, None for an anomalous one without a mask."""
    size = size_of(sample.load())
    if sample.mask is not None:
        return decode_mask(sample.mask.load(), sample.mask.colours, classes, size, sample.key)
    return None if sample.anomalous else np.zeros((size.height, size.width), np.uint8)


def cookie() -> DataSet:
    """The manifest's 63 images train; the 22 test images have no masks, so overlap is by cross-validation."""
    samples = []
    for line in (COOKIE / "template.manifest").read_text().splitlines():
        entry = json.loads(line)
        mask = entry.get("anomaly-mask-ref")
        source = MaskSource((COOKIE / mask).read_bytes, {CRACKED.colour: CRACKED.name}) if mask else None
        image = COOKIE / entry["source-ref"]
        samples.append(Sample(entry["source-ref"], image.read_bytes, bool(entry["anomaly-label"]), source))
    files = sorted((COOKIE / "test-images").iterdir())
    test = [Sample(f"test-images/{file.name}", file.read_bytes, "anomaly" in file.name.lower()) for file in files]
    return DataSet("cookie", samples, test, samples, (CRACKED,), (CRACKED,))


def board() -> DataSet:
    """20 + 20 to train, 20 + 20 to test, as Lookout's lab does."""
    training = _folder(BOARD / "train" / "good", False) + _folder(BOARD / "train" / "anomaly", True)
    test = _folder(BOARD / "test" / "good", False) + _folder(BOARD / "test" / "anomaly", True)
    return DataSet("circuit board", training, test, training)


def aliens() -> DataSet:
    """40 normal images train, as the set is split. It has anomalies to test alone, so those are dealt out as well."""
    training = _folder(ALIENS / "train" / "good", False)
    test = _folder(ALIENS / "test" / "good", False) + _folder(ALIENS / "test" / "anomaly", True)
    return DataSet("aliens, normals only", training, test, [*training, *test], normals_only=True)


def aliens_labelled() -> DataSet:
    """The same with labelled anomalies, by cross-validation alone: the official split trains on none."""
    data = aliens()
    return DataSet("aliens", (), (), data.pool)


def every() -> list[DataSet]:
    """All sets in both kinds: with the labels that there are, and with normal images alone."""
    found = []
    for data in (cookie(), board()):
        found += [data, without_anomalies(data)]
    return [*found, aliens_labelled(), aliens()]


def _folder(path: Path, anomalous: bool) -> list[Sample]:
    """`train/good/0001.jpg` and the like: the names of both folders, since files of both splits are called alike."""
    parents = f"{path.parent.name}/{path.name}"
    return [Sample(f"{parents}/{file.name}", file.read_bytes, anomalous) for file in sorted(path.iterdir())]
