"""Products of kinds that the real sets lack, drawn: textures, parts that lie turned, arrangements.

They stand for what users will bring. Sets like these were looked at when the engine's way with borders was chosen; the
pictures here are others.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench import given, judge
from bench.bed import Bed
from bench.drawn.catalogue import DEFECT_COLOUR, PRODUCTS, drawn, plan
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet
from relook.vision.backbones import Backbone
from relook.vision.metrics import auroc
from relook.vision.samples import DefectClass, MaskSource, Sample

SEED = 0
NORMALS, LABELLED = 40, 12
UNSEEN_NORMALS, UNSEEN_ANOMALIES = 30, 32
_TRAINING, _UNSEEN = 110_000, 150_000
"""The first seeds of the pictures."""
DEFECT = DefectClass("defect", DEFECT_COLOUR)
ALONE, BOTH = "normals only", f"and {LABELLED} anomalies"
_COLUMNS = ("product", "weights", "training", "AUROC", "F1", "false alarms", "missed", "pixel AUROC", "pointing game")
_COLUMNS += ("hardest defect", "its AUROC", "training s", "image ms")


def measure(bed: Bed) -> Result:
    """Every product with either kind of training and both weights; with --only those with the word."""
    given.need_real(bed)
    chosen = ["mesh"] if bed.quick else list(PRODUCTS)
    weights = given.backbones(bed)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    with given.steps("products", bed) as steps, TemporaryDirectory(prefix="relook-products-") as folder:
        for product in chosen:
            for label, backbone in weights.items():
                for how in (ALONE, BOTH):
                    name = " / ".join((product, label, how, backbone.sha256[:8]))
                    work = partial(run, product, backbone, how, Path(folder), bed.quick)
                    if result := steps.run(name, work):
                        found[product, label, how] = result
    if not found:
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    notes = [
        f"{NORMALS} normal images to train with, and {LABELLED} anomalous ones of all kinds, without masks; unseen are "
        f"{UNSEEN_NORMALS} and {UNSEEN_ANOMALIES} others (a third of each in a quick run). Training decides all by "
        "itself. JPEGs of 400x400 pixels.",
        "Pixel AUROC is of the heat maps of all unseen images, the pointing game of the anomalous ones. The hardest "
        "defect is the one with the lowest AUROC of its images against all normal ones.",
        *given.weights_notes(weights),
    ]
    table = Table("Drawn products", _COLUMNS, [_row(*key, each) for key, each in found.items()])
    return Result("Other products", list(_figures(found)), [table], notes, {"training": SEED})


def run(product: str, backbone: Backbone, how: str, folder: Path, quick: bool = False) -> dict[str, Any]:
    """Draw what is not drawn yet, train and judge; for JSON."""
    few = 3 if quick else 1
    training = pictures(product, NORMALS // few, LABELLED // few, _TRAINING, folder)
    unseen = pictures(product, UNSEEN_NORMALS // few, UNSEEN_ANOMALIES // few, _UNSEEN, folder)
    training = [replace(each, mask=None) for each in training if how == BOTH or not each.anomalous]
    data = DataSet(product, training, unseen, [], masked=(DEFECT,))
    with TemporaryDirectory() as output:
        answers = judge.answers(data, training, unseen, backbone, Path(output), SEED)
    scores, labels = np.array(answers["scores"]), np.array(answers["labels"], bool)
    said, kinds = np.array(answers["said"], bool), np.array([each.key.split("/")[1] for each in unseen])
    areas = {str(kind): _area(scores, labels, kinds == kind) for kind in np.unique(kinds[labels])}
    hardest = min(areas, key=lambda kind: areas[kind])
    return {
        "auroc": auroc(scores, labels),
        "f1": judge.f1(said, labels),
        "alarms": float(said[~labels].mean()),
        "missed": float((~said[labels]).mean()),
        "pixel_auroc": answers["localisation"]["pixel_auroc"],
        "pointing_game": answers["localisation"]["pointing_game"],
        "hardest": hardest,
        "hardest_auroc": areas[hardest],
        "training_seconds": answers["training_seconds"],
        "milliseconds": statistics.median(answers["milliseconds"]),
    }


def _area(scores: judge.Scores, labels: judge.Labels, kind: judge.Labels) -> float:
    some = kind | ~labels
    return auroc(scores[some], labels[some]) or 0.0


def pictures(product: str, normals: int, anomalies: int, first: int, folder: Path) -> list[Sample]:
    """Drawn once into `folder`; keys are product/defect/seed."""
    return [_picture(product, bad, seed, folder) for bad, seed in plan(product, normals, anomalies, first)]


def _picture(product: str, bad: str | None, seed: int, folder: Path) -> Sample:
    image, mask = (folder / f"{product}-{bad}-{seed}.{kind}" for kind in ("jpg", "png"))
    if not image.is_file():
        data, area = drawn(product, bad, seed)
        mask.write_bytes(area)
        image.write_bytes(data)
    source = MaskSource(mask.read_bytes, {DEFECT.colour: DEFECT.name}) if bad else None
    return Sample(f"{product}/{bad or 'normal'}/{seed}", image.read_bytes, bad is not None, source)


def _row(product: str, label: str, how: str, found: dict[str, Any]) -> list[str | float]:
    numbers = ("auroc", "f1", "alarms", "missed", "pixel_auroc", "pointing_game")
    cells: list[str | float] = [product, label, how, *(round(found[name], 3) for name in numbers)]
    cells += [found["hardest"], round(found["hardest_auroc"], 3)]
    return [*cells, round(found["training_seconds"], 1), round(found["milliseconds"], 1)]


def _figures(found: dict[tuple[str, str, str], dict[str, Any]]) -> Iterator[Figure]:
    """Means over the products."""
    for label, how in dict.fromkeys((label, how) for _, label, how in found):
        same: Sequence[dict[str, Any]] = [each for key, each in found.items() if key[1:] == (label, how)]
        what = f"mean of {len(same)} drawn products, {how}, weights {label}"
        for name, words in (("auroc", "AUROC"), ("f1", "F1"), ("alarms", "false alarms"), ("missed", "missed")):
            yield Figure(f"{words}, {what}", round(statistics.mean(each[name] for each in same), 3))
