"""f32, bf16 and int8 side by side: same images, size, score and seed, so that only the backbone's precision differs.

Harmless means: over the seeds, what changing the precision does to AUROC and F1 is no more than what changing the seed
does, on every set.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import given
from bench.bed import Bed
from bench.detect import THREADS, timed
from bench.judge import answers, summary
from bench.kept import Steps
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet, aliens, board, cookie
from relook.vision import int8, runtime
from relook.vision.backbones import Backbone
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision
from relook.vision.scorers import SCORERS
from relook.vision.train import Options

SEEDS = (0, 1, 2)
ROUNDS = 40
WARM_UP = 6
HELD = {
    "aliens, normals only": (384, "tail distance"),
    "circuit board": (768, "tail distance and all that is learned"),
    "cookie": (512, "tail distance and all that is learned"),
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
    f"Speed: from an image's bytes to the answer on one thread, median of {ROUNDS}, a seed's models asked turn and "
    "turn about; then the median of the seeds. Training is not interleaved. Much is f32 in every precision.",
    "int8: calibrated with training images; what is not a convolution of the backbone is f32.",
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One set in every precision: `official` per seed and `folds`, as `judge.answers` gives them; medians of ms."""

    name: str
    official: dict[Precision, list[dict[str, Any]]]
    folds: dict[Precision, list[dict[str, Any]]]
    milliseconds: dict[Precision, float]


def measure(bed: Bed) -> Result:
    """Every set, seed and precision, each step kept. Raises Unavailable without the real pictures, where a precision
    cannot be had, and when quick."""
    if bed.quick:
        raise Unavailable("it has no quick form")
    given.need_real(bed)
    if why := runtime.lacks(Precision.BF16) or int8.lacking():
        raise Unavailable(why)
    unknown = {name for _, name in HELD.values()} - {scorer.name for scorer in SCORERS}
    assert not unknown, f"no score is named {unknown}: bring HELD up to the engine"
    with given.steps("precision", bed) as steps:
        found = _all(steps, next(iter(given.backbones(bed).values())))
    if not found:
        raise Unavailable(f"no set is whole with --only {bed.only!r}")
    tables = [
        Table("Image scores", _IMAGE_COLUMNS, [row for each in found for row in _image_rows(each)]),
        Table("Localisation, by cross-validation", _PLACE_COLUMNS, [row for each in found for row in _places(each)]),
        Table("Speed", _SPEED_COLUMNS, [row for each in found for row in _speed(each)]),
    ]
    return Result("Precision of the backbone", _figures(found), tables, NOTES, {"first": SEEDS[0]})


def _all(steps: Steps, backbone: Backbone) -> list[Compared]:
    """The sets of which at least one seed was answered; the official splits come first, the folds last."""
    sets = (aliens(), board(), cookie())
    official: dict[str, list[dict[str, Any]]] = {data.name: [] for data in sets}
    folds: dict[str, list[dict[str, Any]]] = {data.name: [] for data in sets}
    work = [(official, data, "official", seed) for seed in SEEDS for data in sets]
    work += [(folds, data, split, SEEDS[0]) for data in sets if data.masked for split in data.splits()]
    for into, data, split, seed in work:
        if into is folds and split == "official":
            continue
        found = steps.run(f"{data.name} / {split} / seed {seed}", partial(_side_by_side, data, split, backbone, seed))
        into[data.name] += [found] if found else []
    return [_compared(name, found, folds[name]) for name, found in official.items() if found]


def _side_by_side(data: DataSet, split: str, backbone: Backbone, seed: int) -> dict[str, Any]:
    """The split trained and answered in each precision, and the milliseconds of answers taken in turn."""
    training, held = data.splits()[split]
    side, scorer = HELD[data.name]
    with tempfile.TemporaryDirectory() as name:
        models = {each: Path(name) / each for each in Precision}
        found = {
            each.value: answers(data, training, held, backbone, folder, seed, Options(each, (side,), scorer))
            for each, folder in models.items()
        }
        return {"answers": found, "milliseconds": _interleaved(models, [sample.load() for sample in held])}


def _compared(name: str, official: Sequence[dict[str, Any]], folds: Sequence[dict[str, Any]]) -> Compared:
    return Compared(
        name,
        {each: [part["answers"][each] for part in official] for each in Precision},
        {each: [part["answers"][each] for part in folds] for each in Precision},
        {each: statistics.median(part["milliseconds"][each] for part in official) for each in Precision},
    )


def _interleaved(models: dict[Precision, Path], images: Sequence[bytes]) -> dict[str, float]:
    """Median milliseconds, one image after another asked of each model in turn."""
    predictors = {precision: Predictor.load(folder, THREADS) for precision, folder in models.items()}
    times: dict[Precision, list[float]] = {precision: [] for precision in models}
    for turn in range(WARM_UP + ROUNDS):
        image = images[turn % len(images)]
        for precision, predictor in predictors.items():
            milliseconds = timed(partial(predictor.predict, image))
            if turn >= WARM_UP:
                times[precision].append(milliseconds)
    return {precision.value: statistics.median(found) for precision, found in times.items()}


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
