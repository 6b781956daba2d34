"""How few images will do: AUROC against the number of normal images, and of labelled anomalies.

The training images are drawn by a seed from the set's own, the anomalies of a smaller number being among those of a
larger one; the same test images are answered each time.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench import given, judge, sets
from bench.bed import Bed
from bench.kept import Steps
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet
from relook.vision.backbones import Backbone
from relook.vision.metrics import auroc
from relook.vision.samples import Sample

NORMALS = (5, 10, 20, 40)
ANOMALIES = (1, 5, 10, 20)
BESIDE = 20
"""Normal images beside the labelled anomalies; half of those there are, where there are fewer."""
SEEDS = (0, 1, 2)
_COLUMNS = ("set", "weights", "normal images", "labelled anomalies", "tested on", "AUROC", "lowest", "highest", "F1")


@dataclass(frozen=True, slots=True)
class Draw:
    """So many training images of either label."""

    normals: int
    anomalies: int


def measure(bed: Bed) -> Result:
    """Every set, draw and seed, with both weights; with --only those with the word."""
    given.need_real(bed)
    chosen = [given.drawn()] if bed.quick else [sets.board(), sets.cookie(), aliens()]
    weights = given.backbones(bed)
    rows: list[list[str | float]] = []
    figures = []
    with given.steps("fewshot", bed) as steps:
        for data in chosen:
            for label, backbone in weights.items():
                for draw in draws(data, bed.quick):
                    found = _found(steps, data, label, backbone, draw, SEEDS[:1] if bed.quick else SEEDS)
                    if found:
                        rows.append(_row(data, label, draw, found))
                        figures.append(_figure(rows[-1]))
    if not rows:
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    table = Table("AUROC on the official test images, mean, lowest and highest of the seeds", _COLUMNS, rows)
    notes = [
        "The scores are the calibrated ones, the threshold of F1 the one that training chose; training decides all by "
        "itself. No masks are given.",
        "Aliens: 20 of the 60 anomalous test images are set aside to be labelled, as its training images have none. "
        "A number that a set has not enough images for is left out.",
        *given.weights_notes(weights),
    ]
    return Result("Few images", figures, [table], notes, {"first": SEEDS[0]})


def aliens() -> DataSet:
    """With 20 of the anomalous test images moved to training."""
    data = sets.aliens()
    anomalous = [sample for sample in data.test if sample.anomalous]
    moved = {sample.key for sample in anomalous[::3]}
    test = [sample for sample in data.test if sample.key not in moved]
    training = [*data.training, *(sample for sample in anomalous if sample.key in moved)]
    return replace(data, name="aliens", training=training, test=test, normals_only=False)


def draws(data: DataSet, quick: bool = False) -> Iterator[Draw]:
    """What there are enough images for: normals alone, then anomalies beside the usual number of normals."""
    normals = sum(not sample.anomalous for sample in data.training)
    anomalies = len(data.training) - normals
    yield from (Draw(count, 0) for count in (NORMALS[:2] if quick else NORMALS) if count <= normals)
    beside = min(BESIDE, normals)
    yield from (Draw(beside, count) for count in (ANOMALIES[1:2] if quick else ANOMALIES) if count <= anomalies)


def drawn(data: DataSet, draw: Draw, seed: int) -> list[Sample]:
    """The training images of a draw, in the set's order and without masks."""
    rng = np.random.default_rng([seed, 3])
    taken: set[str] = set()
    for label, count in ((False, draw.normals), (True, draw.anomalies)):
        keys = sorted(sample.key for sample in data.training if sample.anomalous == label)
        taken |= {keys[at] for at in rng.permutation(len(keys))[:count]}
    return [replace(sample, mask=None) for sample in data.training if sample.key in taken]


def _found(
    steps: Steps, data: DataSet, label: str, backbone: Backbone, draw: Draw, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """What each seed found; empty unless all are there."""
    found = []
    for seed in seeds:
        shots = f"{draw.normals} normal, {draw.anomalies} anomalous"
        name = " / ".join((data.name, label, shots, f"seed {seed}", backbone.sha256[:8]))
        found.append(steps.run(name, partial(_shot, data, backbone, draw, seed)))
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(found) else []


def _shot(data: DataSet, backbone: Backbone, draw: Draw, seed: int) -> dict[str, Any]:
    bare = replace(data, classes=(), masked=())
    with TemporaryDirectory() as folder:
        answers = judge.answers(bare, drawn(data, draw, seed), bare.test, backbone, Path(folder), seed)
    scores, labels = np.array(answers["scores"]), np.array(answers["labels"], bool)
    return {
        "auroc": auroc(scores, labels),
        "f1": judge.f1(np.array(answers["said"], bool), labels),
        "tested": len(labels),
    }


def _row(data: DataSet, label: str, draw: Draw, found: Sequence[dict[str, Any]]) -> list[str | float]:
    areas = [each["auroc"] for each in found]
    numbers = (statistics.mean(areas), min(areas), max(areas), statistics.mean(each["f1"] for each in found))
    cells: list[str | float] = [data.name, label, draw.normals, draw.anomalies, found[0]["tested"]]
    return [*cells, *(round(number, 3) for number in numbers)]


def _figure(row: list[str | float]) -> Figure:
    data, label, normals, anomalies, _, area, *_ = row
    return Figure(f"mean AUROC, {data}, weights {label}: {normals} normal, {anomalies} anomalous", float(area))
