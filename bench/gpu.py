"""The same models on a GPU through ONNX Runtime and on the CPU through OpenVINO, asked turn and turn about."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import given, sets
from bench.bed import SHARED, Bed
from bench.detect import THREADS, timed
from bench.results import Figure, Result, Table, Unavailable
from bench.wire import p95
from relook.vision import artifact
from relook.vision.backbones import Backbone
from relook.vision.engine import Device, gpu_lacks
from relook.vision.images import load
from relook.vision.predict import Predictor
from relook.vision.train import Options, train

SIDES = (256, 512, 768, 1024)
ROUNDS, WARM_UP = 200, 20
SEED = 0
Open = Callable[[Path], Predictor]

_COLUMNS = ("works at", "engine", "CPU threads", "median ms", "p95 ms", "images/s", "times one CPU thread's rate")
NOTES = (
    "One model for each size, trained at it alone on normal images. From an image's bytes to the answer, decoding "
    "included, in one process and one request at a time; images/s is what follows from the median.",
    "The GPU computes all in f32 without TF32, the CPU its patches in the precision named; the difference of raw "
    "scores (before calibration) is that of precision and runtime together.",
)


def measure(bed: Bed) -> Result:
    """Every size. Raises Unavailable without a GPU, and where a full run lacks the real pictures or weights."""
    if why := gpu_lacks():
        raise Unavailable(why)
    given.need_real(bed)
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    cards = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")
    result = compare(bed, partial(Predictor.load, threads=THREADS, device=Device.GPU))
    return Result(result.title, result.figures, result.tables, [f"GPU: {cards[0]}.", *result.notes], result.seeds)


def compare(bed: Bed, opened: Open) -> Result:
    """`opened` loads an artifact into what the CPU is held against."""
    rows: list[list[str | float]] = []
    figures = []
    gaps = []
    [backbone] = list(given.backbones(bed).values())[:1]
    real = (SHARED / "data").is_dir() and not bed.quick
    data = sets.without_anomalies(sets.board() if real else given.drawn())
    images = [sample.load() for sample in data.test]
    for side in SIDES[:1] if bed.quick else SIDES:
        with TemporaryDirectory(prefix="relook-bench-") as name:
            folder = _trained(data, backbone, side, Path(name))
            others = [opened(folder)]
            cores = sorted({THREADS, len(os.sched_getaffinity(0))})
            engines = [*others, *(Predictor.load(folder, threads) for threads in cores)]
            size = artifact.read(folder)[1].views[0].size
            times = _interleaved(engines, images, *((8, 2) if bed.quick else (ROUNDS, WARM_UP)))
            gaps.append(_gap(engines[0], engines[1], images))
        medians = [statistics.median(each) for each in times]
        works_at = f"{size.width}x{size.height}"
        for each, threads, spent, median in zip(engines, (THREADS, *cores), times, medians, strict=True):
            numbers = (median, p95(spent), 1000 / median, medians[1] / median)
            rows.append([works_at, each.engine.name, threads, *(round(number, 2) for number in numbers)])
        figures.append(Figure(f"answers at {works_at} on the GPU", round(1000 / medians[0], 1), "per second"))
        figures.append(
            Figure(f"the same against one CPU thread, {works_at}", round(medians[1] / medians[0], 2), "times")
        )
    figures.append(Figure("largest difference of a raw score, of its value", round(max(gaps), 5)))
    notes = [f"Pictures: {data.name}. Weights: {backbone.name}, {backbone.origin}.", *NOTES]
    return Result("GPU against CPU", figures, [Table("By working size", _COLUMNS, rows)], notes, {"training": SEED})


def _trained(data: sets.DataSet, backbone: Backbone, side: int, folder: Path) -> Path:
    train(
        [sample for sample in data.training if not sample.anomalous],
        [],
        task=data.task,
        classes=(),
        backbone=backbone,
        output=folder,
        seed=SEED,
        progress=lambda stage, done, total: None,
        options=Options(long_sides=(side,)),
    )
    return folder


def _interleaved(engines: Sequence[Predictor], images: Sequence[bytes], rounds: int, warm_up: int) -> list[list[float]]:
    """Milliseconds of each engine, image by image."""
    times: list[list[float]] = [[] for _ in engines]
    for turn in range(warm_up + rounds):
        image = images[turn % len(images)]
        for predictor, spent in zip(engines, times, strict=True):
            milliseconds = timed(partial(predictor.predict, image))
            if turn >= warm_up:
                spent.append(milliseconds)
    return times


def _gap(one: Predictor, other: Predictor, images: Sequence[bytes]) -> float:
    """The largest difference of two engines' raw scores, as a share of the second's."""
    pixels = [load(image).pixels for image in images]
    pairs = [(one.raw_score(each), other.raw_score(each)) for each in pixels]
    return max(abs(first - second) / abs(second) for first, second in pairs)
