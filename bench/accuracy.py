"""Accuracy on the real sets in ../shared, localisation always beside it: `python -m bench accuracy [--only WORD]`.

Every set with its labels and with normal images alone, on the official split and in cross-validation, with the ImageNet
weights and with those of an installation. Within a split everything is chosen by training itself, from its own images;
the fixed long sides, tried beside that on the official split with the ImageNet weights, show what the best choice would
have been.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import given, judge, sets
from bench.bed import Bed
from bench.given import IMAGENET, OWN
from bench.kept import Steps
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet
from relook.vision.backbones import Backbone
from relook.vision.train import Options

SEED = 0
DEFAULT = "default"
OFFICIAL, CROSSED = "official", "cross-validated"
FIXED = {f"long side {side}": Options(long_sides=(side,)) for side in (256, 768)}
"""What 'our best' is the best of."""

TARGETS: Mapping[tuple[str, str, str], float] = {
    ("circuit board", OFFICIAL, "f1"): 0.97,
    ("circuit board", CROSSED, "auroc"): 0.97,
    ("cookie", OFFICIAL, "f1"): 1.0,
    ("cookie", CROSSED, "mean_iou"): 0.72,
    ("cookie", CROSSED, "aupro"): 0.92,
    ("cookie, normals only", CROSSED, "pointing_game"): 0.9,
    ("aliens, normals only", OFFICIAL, "auroc"): 0.99,
}
"""At least this much, by training's own choice with the ImageNet weights."""
OWN_BEHIND = -0.01
"""AUROC that the installation's own weights may be behind."""

NAMES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "f1": "F1",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "pointing_game": "pointing game",
    "mean_iou": "mean IoU",
    "accumulated_iou": "accumulated IoU",
}
NOTES = (
    "In brackets: 95 % intervals from 1,000 bootstrap samples of the test images, drawn within each label. F1 is that "
    "of the decisions, at the threshold that training chose.",
    "Cross-validated: 4 folds over the manifest's 63 images (cookie), the 40 training images (circuit board) and all "
    "118 (aliens, whose training images have no anomaly); each fold is a whole training, and the folds' calibrated "
    "scores are pooled. Normals only: training is given no anomaly; the held-out images have them.",
    "Localisation is of held-out masked images, so by cross-validation (the cookie set alone has masks): AUPRO to a "
    "false positive rate of 0.3; the pointing game is the share of masked images whose highest patch lies on the mask "
    "or one cell beside it; IoU is of the predicted masks, its mean over masked images. Each is the mean of the folds, "
    "weighted by their masked images.",
)


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one set with one of the weights, one way to train (`arm`) and one way to test (`split`)."""

    data: str
    weights: str
    arm: str
    split: str
    found: dict[str, Any]

    def value(self, name: str) -> float | None:
        """A figure without its interval; None where the set has none."""
        value: float | None = self.found.get(name)
        return value[0] if isinstance(value, list) else value


def measure(bed: Bed) -> Result:
    """All rows, or with --only those with the word. Raises Unavailable without the real pictures, unless quick."""
    given.need_real(bed)
    chosen = [given.drawn()] if bed.quick else sets.every()
    weights = given.backbones(bed)
    with given.steps("accuracy", bed) as steps:
        rows = [
            row
            for data in chosen
            for label, backbone in weights.items()
            for arm, options in _arms(label)
            for row in _rows(steps, data, label, backbone, arm, options)
        ]
    if not rows:
        raise Unavailable(f"no split is whole with --only {bed.only!r}")
    figures = [*_figures(rows), *_own_against_imagenet(rows)]
    tables = [_table(rows, split) for split in (OFFICIAL, CROSSED)]
    kept = [table for table in tables if table.rows]
    return Result("Accuracy", figures, kept, [*NOTES, *given.weights_notes(weights)], {"training": SEED})


def _arms(weights: str) -> Iterator[tuple[str, Options | None]]:
    yield DEFAULT, None
    if weights == IMAGENET:
        yield from FIXED.items()


def _rows(
    steps: Steps, data: DataSet, label: str, backbone: Backbone, arm: str, options: Options | None
) -> Iterator[Row]:
    parts: dict[str, list[dict[str, Any] | None]] = {OFFICIAL: [], CROSSED: []}
    for split, (training, held) in data.splits().items():
        if arm != DEFAULT and split != OFFICIAL:
            continue
        name = " / ".join((data.name, label, arm, split, backbone.sha256[:8]))
        work = partial(_answers, data, training, held, backbone, options)
        parts[OFFICIAL if split == OFFICIAL else CROSSED].append(steps.run(name, work))
    for split, found in parts.items():
        whole = [part for part in found if part is not None]
        if whole and len(whole) == len(found):
            yield Row(data.name, label, arm, split, judge.summary(whole))


def _answers(data: DataSet, training: Any, held: Any, backbone: Backbone, options: Options | None) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        return judge.answers(data, training, held, backbone, Path(folder), SEED, options)


def _figures(rows: Sequence[Row]) -> Iterator[Figure]:
    """By training's own choice: F1 and AUROC of each, and whatever has a target; then the best of the fixed sizes."""
    for row in rows:
        if row.arm != DEFAULT:
            continue
        for name in NAMES:
            target = TARGETS.get((row.data, row.split, name)) if row.weights == IMAGENET else None
            value = row.value(name)
            if value is None or (name not in ("f1", "auroc") and target is None):
                continue
            what = f"{NAMES[name]}, {row.data}, {row.split}, weights {row.weights}"
            yield Figure(what, round(value, 3), at_least=target)
        if best := _best(row, rows):
            what = f"AUROC, {row.data}, {row.split}, weights {row.weights}, our best ({best.arm})"
            yield Figure(what, round(best.value("auroc") or 0.0, 3))


def _best(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row with the highest AUROC of all ways to train the same; None where only one was tried."""
    same = [each for each in rows if (each.data, each.weights, each.split) == (row.data, row.weights, row.split)]
    return max(same, key=lambda each: each.value("auroc") or 0.0) if len(same) > 1 else None


def _own_against_imagenet(rows: Sequence[Row]) -> Iterator[Figure]:
    default = {(row.data, row.split, row.weights): row for row in rows if row.arm == DEFAULT}
    for (data, split, weights), row in default.items():
        other = default.get((data, split, IMAGENET))
        if weights != OWN or other is None:
            continue
        less = (row.value("auroc") or 0.0) - (other.value("auroc") or 0.0)
        yield Figure(f"AUROC, {data}, {split}: weights {OWN} less {IMAGENET}", round(less, 3), at_least=OWN_BEHIND)


def _table(rows: Sequence[Row], split: str) -> Table:
    """Columns that no row fills are left out."""
    here = [row for row in rows if row.split == split]
    names = [name for name in NAMES if any(row.value(name) is not None for row in here)]
    columns = ["set", "weights", "training", "trained on", "tested on", *(NAMES[name] for name in names)]
    cells = [
        [row.data, row.weights, row.arm, row.found["training_images"], row.found["images"]]
        + [_cell(row.found.get(name)) for name in names]
        + [round(row.found["training_seconds"], 1), round(row.found["milliseconds"], 1)]
        for row in here
    ]
    return Table(
        f"{split.capitalize()} split" if split == OFFICIAL else "Cross-validated",
        (*columns, "training s", "image ms"),
        cells,
    )


def _cell(value: float | list[float] | None) -> str | float:
    if value is None or (isinstance(value, list) and value[0] is None):
        return ""
    if isinstance(value, list):
        middle, low, high = value
        return f"{middle:.3f} [{low:.3f}, {high:.3f}]"
    return round(value, 3)
