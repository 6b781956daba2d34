"""bf16 against f32: the same images, size, score and seed, so that only the precision of the backbone differs.

Harmless means: over the seeds, what changing the precision does to AUROC and F1 is no more than what changing the seed
does, on every set.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.bed import SHARED, WEIGHTS, Bed
from bench.results import Figure, Result, Table, Unavailable
from bench.sets import DataSet, aliens, board, cookie
from relook.vision.backbones import Backbone
from relook.vision.metrics import image_metrics
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision, native_precision
from relook.vision.samples import TestResult
from relook.vision.train import Options, train
from relook.vision.weights import choose, import_weights

SEEDS = (0, 1, 2)
HELD = {
    "cookie": (512, "peak distance"),
    "circuit board": (768, "peak distance"),
    "aliens, normals only": (384, "distance"),
}
"""Long side and score for each set: fixed beforehand, so that neither precision chooses for the other."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training and its answers to the official test images; milliseconds are the median for an image's bytes."""

    auroc: float
    f1: float
    scores: tuple[float, ...]
    training_seconds: float
    milliseconds: float


def run(data: DataSet, backbone: Backbone, precision: Precision, seed: int) -> Run:
    """Train and answer."""
    side, scorer = HELD[data.name]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train(
            data.training,
            [],
            task=data.task,
            classes=data.classes,
            backbone=backbone,
            output=Path(folder),
            seed=seed,
            progress=lambda stage, done, total: None,
            options=Options(precision, (side,), scorer),
        )
        seconds = time.perf_counter() - started
        predictor = Predictor.load(Path(folder))
    tests, times = [], []
    for sample in data.test:
        image = sample.load()
        started = time.perf_counter()
        prediction = predictor.predict(image)
        times.append(1000 * (time.perf_counter() - started))
        tests.append(TestResult(sample.key, sample.anomalous, prediction))
    metrics = image_metrics(tests)
    assert metrics.roc_auc is not None
    scores = tuple(test.prediction.score for test in tests)
    return Run(metrics.roc_auc, metrics.f1, scores, seconds, statistics.median(times))


def measure(bed: Bed) -> Result:
    """Every set, seed and precision. Raises Unavailable without the real pictures, without bf16, and when quick."""
    if bed.quick:
        raise Unavailable("it has no quick form")
    if not (WEIGHTS.is_file() and (SHARED / "data").is_dir()):
        raise Unavailable(f"it needs the real pictures and weights in {SHARED}")
    if native_precision() is not Precision.BF16:
        raise Unavailable("this CPU does not compute in bf16")
    rows: list[list[str | float]] = []
    with tempfile.TemporaryDirectory() as folder:
        import_weights(WEIGHTS, Path(folder))
        backbone = choose(Path(folder))
        for data in (cookie(), board(), aliens()):
            pairs = [
                (run(data, backbone, Precision.F32, seed), run(data, backbone, Precision.BF16, seed)) for seed in SEEDS
            ]
            rows.append(_row(data.name, pairs))
            print(rows[-1], file=sys.stderr, flush=True)
    figures = [
        Figure(f"{row[0]}: what bf16 adds to the mean {metric}", float(row[at]))
        for row in rows
        for metric, at in (("AUROC", 3), ("F1", 7))
    ]
    return Result("Precision of the backbone", figures, [Table("f32 and bf16", COLUMNS, rows)], [NOTE], {"first": 0})


COLUMNS = (
    "set",
    "AUROC f32",
    "AUROC bf16",
    "difference",
    "spread over seeds",
    "F1 f32",
    "F1 bf16",
    "F1 difference",
    "F1 spread over seeds",
    "mean score difference",
    "largest score difference",
    "training s f32",
    "training s bf16",
    "image ms f32",
    "image ms bf16",
)
NOTE = f"Means over the seeds {SEEDS}; spread is the range over the seeds at f32. Calibrated scores, 0 to 1."


def _row(name: str, pairs: list[tuple[Run, Run]]) -> list[str | float]:
    plain, short = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    gaps = [abs(a - b) for one, other in pairs for a, b in zip(one.scores, other.scores, strict=True)]

    def mean(runs: list[Run], member: str) -> float:
        return statistics.mean(getattr(each, member) for each in runs)

    def spread(member: str) -> float:
        values = [getattr(each, member) for each in plain]
        return float(max(values) - min(values))

    numbers: list[float] = []
    for member in ("auroc", "f1"):
        before, after = mean(plain, member), mean(short, member)
        numbers += [before, after, after - before, spread(member)]
    numbers += [statistics.mean(gaps), max(gaps)]
    for member in ("training_seconds", "milliseconds"):
        numbers += [mean(plain, member), mean(short, member)]
    return [name, *(round(number, 4) for number in numbers)]
