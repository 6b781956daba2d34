"""f32, bf16 and int8 side by side: same images, size, score and seed, so that only the backbone's precision differs.

Harmless means: over the seeds, what changing the precision does to AUROC and F1 is no more than what changing the seed
does, on every set.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.bed import SHARED, WEIGHTS, Bed
from bench.detect import THREADS, timed
from bench.judge import answers, summary
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet, aliens, board, cookie
from relook.vision import int8, runtime
from relook.vision.backbones import Backbone
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision
from relook.vision.train import Options
from relook.vision.weights import choose, import_weights

SEEDS = (0, 1, 2)
ROUNDS = 60
WARM_UP = 6
HELD = {
    "cookie": (512, "peak distance"),
    "circuit board": (768, "peak distance"),
    "aliens, normals only": (384, "distance"),
}
"""Long side and score for each set: fixed beforehand, so that no precision chooses for the others."""
PLACES = ("pixel_auroc", "aupro", "pointing_game", "mean_iou")

_IMAGE_COLUMNS = (
    "set", "precision", "AUROC", "less f32", "F1", "less f32", "mean score difference", "largest score difference",
)  # fmt: skip
_SPREAD = "f32: range over the seeds"
_PLACE_COLUMNS = ("set", "precision", "AUROC", "pixel AUROC", "AUPRO", "pointing game", "mean IoU")
_SPEED_COLUMNS = ("set", "precision", "training s", "image ms", "of f32's time")
NOTES = (
    f"Image scores: the official split, means over the seeds {SEEDS}; differences are of calibrated scores, 0 to 1, "
    f"image by image, to f32. '{_SPREAD}' is what changing the seed alone does.",
    "Localisation: four folds of the training images, seed 0.",
    f"Speed: from an image's bytes to the answer on one thread, median of {ROUNDS}; the models of seed 0 are asked "
    "turn and turn about. Training is not interleaved. Both contain much that is f32 in every precision.",
    "int8: calibrated with training images; what is not a convolution of the backbone is f32.",
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One set in every precision: `official` per seed and `folds`, as `judge.answers` gives them."""

    name: str
    official: dict[Precision, list[dict[str, Any]]]
    folds: dict[Precision, list[dict[str, Any]]]
    milliseconds: dict[Precision, float]


def measure(bed: Bed) -> Result:
    """Every set, seed and precision. Raises Unavailable without the real pictures, where a precision cannot be had, and
    when quick."""
    if bed.quick:
        raise Unavailable("it has no quick form")
    if not (WEIGHTS.is_file() and (SHARED / "data").is_dir()):
        raise Unavailable(f"it needs the real pictures and weights in {SHARED}")
    if why := runtime.lacks(Precision.BF16) or int8.lacking():
        raise Unavailable(why)
    with tempfile.TemporaryDirectory() as folder:
        import_weights(WEIGHTS, Path(folder))
        backbone = choose(Path(folder))
        found = [_compare(data, backbone) for data in (cookie(), board(), aliens())]
    tables = [
        Table("Image scores", _IMAGE_COLUMNS, [row for each in found for row in _image_rows(each)]),
        Table("Localisation, by cross-validation", _PLACE_COLUMNS, [row for each in found for row in _places(each)]),
        Table("Speed", _SPEED_COLUMNS, [row for each in found for row in _speed(each)]),
    ]
    return Result("Precision of the backbone", _figures(found), tables, NOTES, {"first": SEEDS[0]})


def _compare(data: DataSet, backbone: Backbone) -> Compared:
    side, scorer = HELD[data.name]
    official: dict[Precision, list[dict[str, Any]]] = {each: [] for each in Precision}
    folds: dict[Precision, list[dict[str, Any]]] = {each: [] for each in Precision}
    splits = data.splits()
    with tempfile.TemporaryDirectory() as name:
        models = {each: Path(name) / each for each in Precision}
        for precision in Precision:
            how = Options(precision, (side,), scorer)
            for split, (training, held) in splits.items() if data.masked else ():
                if split != "official":
                    where = Path(name) / "fold"
                    folds[precision].append(answers(data, training, held, backbone, where, SEEDS[0], how))
            training, held = splits["official"]
            for seed in SEEDS:
                where = models[precision] if seed == SEEDS[0] else Path(name) / "other"
                official[precision].append(answers(data, training, held, backbone, where, seed, how))
            print(f"{data.name}: {precision} done", file=sys.stderr, flush=True)
        times = _interleaved(models, [sample.load() for sample in data.test])
    return Compared(data.name, official, folds, times)


def _interleaved(models: dict[Precision, Path], images: Sequence[bytes]) -> dict[Precision, float]:
    """Median milliseconds, one image after another asked of each model in turn."""
    predictors = {precision: Predictor.load(folder, THREADS) for precision, folder in models.items()}
    times: dict[Precision, list[float]] = {precision: [] for precision in models}
    for turn in range(WARM_UP + ROUNDS):
        image = images[turn % len(images)]
        for precision, predictor in predictors.items():
            milliseconds = timed(partial(predictor.predict, image))
            if turn >= WARM_UP:
                times[precision].append(milliseconds)
    return {precision: statistics.median(found) for precision, found in times.items()}


def _mean(parts: Sequence[dict[str, Any]], figure: str) -> float:
    """Of the seeds' AUROC or F1."""
    return statistics.mean(float(summary([part])[figure][0]) for part in parts)


def _image_rows(each: Compared) -> list[list[str | float]]:
    plain = each.official[Precision.F32]
    rows: list[list[str | float]] = []
    for precision, runs in each.official.items():
        gaps = [
            abs(one - other)
            for run, base in zip(runs, plain, strict=True)
            for one, other in zip(run["scores"], base["scores"], strict=True)
        ]
        numbers: list[float] = []
        for figure in ("auroc", "f1"):
            numbers += [_mean(runs, figure), _mean(runs, figure) - _mean(plain, figure)]
        rows.append(
            [each.name, precision, *(round(number, 4) for number in (*numbers, statistics.mean(gaps), max(gaps)))]
        )
    spreads = [_spread(plain, figure) for figure in ("auroc", "f1")]
    rows.append([each.name, _SPREAD, "", spreads[0], "", spreads[1], "", ""])
    return rows


def _spread(parts: Sequence[dict[str, Any]], figure: str) -> float:
    values = [float(summary([part])[figure][0]) for part in parts]
    return round(max(values) - min(values), 4)


def _places(each: Compared) -> list[list[str | float]]:
    rows: list[list[str | float]] = []
    for precision, parts in each.folds.items():
        if parts:
            found = summary(parts)
            numbers = [found["auroc"][0], *(found.get(place) for place in PLACES)]
            rows.append([each.name, precision, *("" if number is None else round(number, 4) for number in numbers)])
    return rows


def _speed(each: Compared) -> list[list[str | float]]:
    return [
        [
            each.name,
            precision,
            round(statistics.mean(run["training_seconds"] for run in each.official[precision]), 1),
            round(milliseconds, 1),
            round(milliseconds / each.milliseconds[Precision.F32], 2),
        ]
        for precision, milliseconds in each.milliseconds.items()
    ]


def _figures(found: Sequence[Compared]) -> list[Figure]:
    figures = []
    for each in found:
        for precision in (Precision.BF16, Precision.INT8):
            for metric, words in (("auroc", "AUROC"), ("f1", "F1")):
                added = _mean(each.official[precision], metric) - _mean(each.official[Precision.F32], metric)
                figures.append(Figure(f"{each.name}: what {precision} adds to f32's mean {words}", round(added, 4)))
            ratio = each.milliseconds[precision] / each.milliseconds[Precision.F32]
            figures.append(Figure(f"{each.name}: time of an answer in {precision}", round(ratio, 2), "of f32's"))
    return figures
