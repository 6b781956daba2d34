"""DetectAnomalies by inference units and by image size: rate, latency, cold start, memory, against the raw graph."""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from bench import given, sets
from bench.bed import RENDER_SEED, SHARED, Bed, Trained, describe
from bench.contender import Contender
from bench.detect import THREADS, RawGraph, timed
from bench.load import cells
from bench.results import Figure, Result, Table
from bench.startup import UNIT, children, resident
from bench.wire import Rate, p95, rate
from relook.vision.images import decode, load
from relook.vision.predict import Predictor
from relook.vision.train import Options, train
from relook.vision.weights import choose

UNITS = (1, 2, 4)
SIDES = (256, 512, 1_000, 2_048, 4_096)
SECONDS = 10.0
COLD_STARTS = 5
ROUNDS = 100
SMALL_SIDE = 256
SEED = 0

BOARD_MS, BOARD_RATE = 60.0, 15.0
SMALL_MS, SMALL_RATE = 15.0, 60.0
_UNIT_COLUMNS = ("model", "units", "clients", "per second", "median ms", "p95 ms", "times the raw graph's rate")
_SIZE_COLUMNS = ("model", "picture", "decoding ms", "predictor ms", "p95 ms", "raw graph ms", "times the raw graph")
NOTES = (
    "Units: HTTP clients on keep-alive connections, requests signed beforehand, for 10 s; units have one thread each, "
    "and clients share the machine's cores with them. The raw graph's rate is that of model.onnx alone on one thread, "
    "measured in between.",
    "Cold start: from starting a process that has imported nothing to its model loaded and run once. Resident is the "
    "units' after the load.",
    "By image size: the classification model is given its pictures brought to other sizes, on one thread, in the "
    "bench's process; predictor is from the file's bytes to the answer. 'at 256' is a model trained to work at that "
    "long side, on pictures of that size.",
)


def measure(bed: Bed) -> Result:
    """Both kinds of model, and one that works at 256 pixels."""
    figures: list[Figure] = []
    rows: list[list[str | float]] = []
    memory: list[list[str | float]] = []
    notes = []
    for kind, model in {"classification": bed.classification, "segmentation": bed.segmentation}.items():
        found, units_mib, raw = _by_units(bed, model)
        rows += [
            [kind, units, clients, *cells(each), round(each.per_second / raw, 2)] for units, clients, each in found
        ]
        memory += [[kind, units, *sizes] for units, sizes in units_mib]
        figures += _unit_figures(kind, found, bed)
        cold = [_cold_start(model.artifact) for _ in range(2 if bed.quick else COLD_STARTS)]
        figures.append(Figure(f"cold start of a unit's process ({kind}), slowest", round(max(cold), 2), "s"))
        notes.append(f"{kind.capitalize()}: {describe(model)}.")
    sizes = _by_size(bed)
    small = sizes[-1]
    figures += [
        Figure("answer of a model at 256, one thread", float(small[3]), "ms", at_most=None if bed.quick else SMALL_MS),
        Figure(
            "answers of a model at 256, one thread",
            round(1000 / float(small[3]), 1),
            "per second",
            at_least=None if bed.quick else SMALL_RATE,
        ),
    ]
    tables = [
        Table("By units", _UNIT_COLUMNS, rows),
        Table("MiB of all units together", ("model", "units", "resident", "peak"), memory),
        Table("By image size, milliseconds", _SIZE_COLUMNS, sizes),
    ]
    seeds = {"drawn pictures": RENDER_SEED, "training": bed.classification.seed, "training at 256": SEED}
    return Result("DetectAnomalies by units and image size", figures, tables, [*notes, *NOTES], seeds)


def _by_units(
    bed: Bed, model: Trained
) -> tuple[list[tuple[int, int, Rate]], list[tuple[int, tuple[float, float]]], float]:
    """The rate for each number of units and clients, the units' MiB, and the rate of the raw graph alone."""
    raw = RawGraph(model.artifact)
    tensors = [raw.prepare(decode(picture.load().data)) for picture in model.pictures]
    raw.infer(tensors[0])
    found, memory, times = [], [], []
    for units in UNITS[:2] if bed.quick else UNITS:
        with bed.hosting(model, units):
            for clients in sorted({1, units, 2 * units}):
                times += [timed(lambda tensor=tensor: raw.infer(tensor)) for tensor in tensors]
                seconds = 1.0 if bed.quick else SECONDS
                found.append((units, clients, rate(bed.signer.endpoint, bed.detections(model), clients, seconds)))
            each = [resident(pid) for pid in children(bed.server.pid, UNIT)]
            memory.append((units, (round(sum(now for now, _ in each), 1), round(sum(most for _, most in each), 1))))
    return found, memory, 1000 / statistics.median(times)


def _unit_figures(kind: str, found: Sequence[tuple[int, int, Rate]], bed: Bed) -> list[Figure]:
    """The board is what has targets."""
    board = kind == "classification" and not bed.quick and (SHARED / "data").is_dir()
    alone = next(each for units, clients, each in found if units == clients == 1)
    what = f"DetectAnomalies ({kind})"
    figures = [
        Figure(
            f"{what}, one unit, one client: median", round(alone.median, 1), "ms", at_most=BOARD_MS if board else None
        )
    ]
    for number in sorted({units for units, _, _ in found}):
        best = max(each.per_second for units, _, each in found if units == number)
        words = f"{what} with {number} unit{'s' if number > 1 else ''}"
        least = BOARD_RATE if board and number == 1 else None
        figures.append(Figure(words, round(best, 1), "per second", at_least=least, headline=True))
    return figures


def _cold_start(artifact: Path) -> float:
    """Seconds from starting the process until its model is ready."""
    with TemporaryDirectory(prefix="relook-bench-") as folder:
        job = {"training": [], "labels": [], "threads": THREADS, "seed": 0, "folder": folder, "load": str(artifact)}
        began = time.perf_counter()
        with Contender([sys.executable, "-m", "bench.contender"], job) as unit:
            unit.ready()
            return time.perf_counter() - began


def _by_size(bed: Bed) -> list[list[str | float]]:
    """The classification model on its pictures at every size, and last the model that works at 256."""
    model = bed.classification
    pictures = [picture.load().data for picture in model.pictures[:4]]
    rows = [
        _spans("classification", model.artifact, [_at(picture, side) for picture in pictures], bed)
        for side in (SIDES[:2] if bed.quick else SIDES)
    ]
    real = (SHARED / "data").is_dir() and not bed.quick
    data = sets.aliens() if real else given.drawn()
    with TemporaryDirectory(prefix="relook-bench-") as name:
        train(
            [sample for sample in data.training if not sample.anomalous],
            [],
            task=sets.without_anomalies(data).task,
            classes=(),
            backbone=choose(bed.server.data),
            output=Path(name),
            seed=SEED,
            progress=lambda stage, done, total: None,
            options=Options(long_sides=(SMALL_SIDE,)),
        )
        small = [_at(sample.load(), SMALL_SIDE) for sample in data.test[:4]]
        rows.append(_spans(f"{data.name}, at 256", Path(name), small, bed))
    return rows


def _spans(name: str, artifact: Path, pictures: Sequence[bytes], bed: Bed) -> list[str | float]:
    """Decoding, predictor and raw graph, turn and turn about."""
    predictor, raw = Predictor.load(artifact, THREADS), RawGraph(artifact)
    tensors = [raw.prepare(decode(picture)) for picture in pictures]
    spans: dict[str, list[float]] = {"decoding": [], "predictor": [], "raw": []}
    for turn in range(4 + (8 if bed.quick else ROUNDS)):
        picture, tensor = pictures[turn % len(pictures)], tensors[turn % len(pictures)]
        times = {
            "decoding": timed(lambda picture=picture: load(picture)),
            "predictor": timed(lambda picture=picture: predictor.predict(picture)),
            "raw": timed(lambda tensor=tensor: raw.infer(tensor)),
        }
        if turn >= 4:
            for span, milliseconds in times.items():
                spans[span].append(milliseconds)
    middle = {span: statistics.median(times) for span, times in spans.items()}
    width, height = Image.open(io.BytesIO(pictures[0])).size
    numbers = (middle["decoding"], middle["predictor"], p95(spans["predictor"]), middle["raw"])
    ratio = middle["predictor"] / middle["raw"]
    return [name, f"{width}x{height}", *(round(number, 2) for number in numbers), round(ratio, 2)]


def _at(picture: bytes, side: int) -> bytes:
    """The picture as a JPEG whose longer side has that length."""
    with Image.open(io.BytesIO(picture)) as image:
        scale = side / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        out = io.BytesIO()
        image.convert("RGB").resize(size).save(out, "JPEG", quality=90)
    return out.getvalue()
