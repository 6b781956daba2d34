"""Accuracy on the real sets in ../shared: `python -m bench accuracy`.

Each set is trained once with the given ImageNet weights and once with the random ones, through the engine's public
functions, and its official test images are then answered from bytes, on one thread.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.bed import SHARED, WEIGHTS, Bed
from bench.results import Figure, Result, Table, Unavailable
from relook.vision.backbones import Backbone
from relook.vision.images import Size, decode
from relook.vision.masks import decode_mask
from relook.vision.metrics import image_metrics
from relook.vision.predict import Predictor
from relook.vision.samples import DefectClass, MaskSource, Sample, Task, TestResult
from relook.vision.train import train
from relook.vision.weights import choose, import_weights, random_backbone

CRACKED = DefectClass("cracked", "#23A436")
SEED = 0
_WEIGHTS = {WEIGHTS.stem: "ImageNet weights", "resnet18-random": "built-in weights"}


@dataclass(frozen=True)
class DataSet:
    """`held_back` is what train() evaluates on, `official` what this bench reports on."""

    name: str
    training: list[Sample]
    held_back: list[Sample]
    official: list[Sample]
    classes: tuple[DefectClass, ...] = ()


def _folder(path: Path, anomalous: bool) -> list[Sample]:
    return [Sample(f"{path.name}/{file.name}", file.read_bytes, anomalous) for file in sorted(path.iterdir())]


def cookie() -> DataSet:
    """The 63 images split about 80/20 as a single dataset is; the 22 official test images stay apart."""
    base = SHARED / "data" / "lookout_cookie"
    samples = []
    for line in (base / "template.manifest").read_text().splitlines():
        entry = json.loads(line)
        mask = entry.get("anomaly-mask-ref")
        source = MaskSource((base / mask).read_bytes, {CRACKED.colour: CRACKED.name}) if mask else None
        image = base / entry["source-ref"]
        samples.append(Sample(entry["source-ref"], image.read_bytes, bool(entry["anomaly-label"]), source))
    held_back: list[Sample] = []
    for label in (False, True):
        members = sorted((sample for sample in samples if sample.anomalous == label), key=lambda sample: sample.key)
        random.Random(SEED).shuffle(members)
        held_back += members[: round(0.2 * len(members))]
    training = [sample for sample in samples if sample not in held_back]
    files = sorted((base / "test-images").iterdir())
    official = [Sample(file.name, file.read_bytes, "anomaly" in file.name.lower()) for file in files]
    return DataSet("cookie", training, held_back, official, (CRACKED,))


def board() -> DataSet:
    """20 + 20 to train, 20 + 20 to test, as Lookout's lab does."""
    base = SHARED / "data" / "lookout_circuitboard_1000px"
    training = _folder(base / "train" / "good", False) + _folder(base / "train" / "anomaly", True)
    test = _folder(base / "test" / "good", False) + _folder(base / "test" / "anomaly", True)
    return DataSet("circuit board", training, test, test)


def aliens() -> DataSet:
    """40 normal images to train, none anomalous."""
    base = SHARED / "data" / "lookout_aliens"
    test = _folder(base / "test" / "good", False) + _folder(base / "test" / "anomaly", True)
    return DataSet("aliens", _folder(base / "train" / "good", False), test, test)


def run(data: DataSet, backbone: Backbone, folder: Path) -> dict[str, Any]:
    """Train, answer the official test images from bytes, and report."""
    started = time.perf_counter()
    result = train(
        data.training,
        data.held_back,
        task=Task.SEGMENTATION if data.classes else Task.CLASSIFICATION,
        classes=data.classes,
        backbone=backbone,
        output=folder,
        seed=SEED,
        progress=lambda stage, done, total: None,
    )
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    predictor = Predictor.load(folder)
    loading = time.perf_counter() - started
    tests, times = [], []
    for sample in data.official:
        image = sample.load()
        started = time.perf_counter()
        prediction = predictor.predict(image)
        times.append(1000 * (time.perf_counter() - started))
        tests.append(TestResult(sample.key, sample.anomalous, prediction))
    metrics = image_metrics(tests)
    report = {
        "set": data.name,
        "weights": backbone.name,
        "training_images": len(data.training),
        "test_images": len(tests),
        "f1": metrics.f1,
        "precision": metrics.precision,
        "recall": metrics.recall,
        "auroc": metrics.roc_auc,
        "average_precision": metrics.average_precision,
        "training_seconds": round(seconds, 1),
        "load_seconds": round(loading, 2),
        "milliseconds_per_image": round(median(times), 1),
        "chosen": next(note for note in result.notes if "with the score" in note),
    }
    if data.classes:
        report |= _localisation(data, predictor, result.metrics.classes[0].average_iou)
    return report


def _localisation(data: DataSet, predictor: Predictor, average_iou: float) -> dict[str, Any]:
    """On the held-back images: overlap of the masks, and how often the highest patch lies in the true mask."""
    hits = [hit for sample in data.held_back if sample.mask for hit in _pointing(sample, data.classes, predictor)]
    return {"held_back_average_iou": average_iou, "held_back_pointing_game": float(np.mean(hits))}


def _pointing(sample: Sample, classes: tuple[DefectClass, ...], predictor: Predictor) -> Iterator[bool]:
    assert sample.mask is not None
    pixels = decode(sample.load())
    predictor.predict_pixels(pixels)
    heat = predictor.heat_map()
    size = Size(*pixels.shape[:2])
    mask = decode_mask(sample.mask.load(), sample.mask.colours, classes, size, sample.key)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    high, wide = mask.shape[0] / heat.shape[0], mask.shape[1] / heat.shape[1]
    top, left = max(0, int((row - 1) * high)), max(0, int((column - 1) * wide))
    yield bool(mask[top : int((row + 2) * high), left : int((column + 2) * wide)].any())


def measure(bed: Bed) -> Result:
    """Every set with both weights. Raises Unavailable where there are no real pictures, and for a quick run."""
    if bed.quick:
        raise Unavailable("it has no quick form")
    if not (WEIGHTS.is_file() and (SHARED / "data").is_dir()):
        raise Unavailable(f"it needs the real pictures and weights in {SHARED}")
    reports = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        import_weights(WEIGHTS, folder / "data")
        for data in (cookie(), board(), aliens()):
            for backbone in (choose(folder / "data"), random_backbone()):
                reports.append(run(data, backbone, folder / f"{data.name}-{backbone.name}"))
                print(json.dumps(reports[-1]), file=sys.stderr, flush=True)
    figures = [
        Figure(
            f"{metric} on the {report['set']} set's {report['test_images']} test images, {_WEIGHTS[report['weights']]}",
            round(report[key], 3),
            headline=metric == "F1" and report["weights"] == WEIGHTS.stem,
        )
        for report in reports
        for metric, key in (("F1", "f1"), ("AUROC", "auroc"))
    ]
    columns = list(dict.fromkeys(key for report in reports for key in report if key != "chosen"))
    rows = [[_cell(report.get(column, "")) for column in columns] for report in reports]
    names = [column.replace("_", " ") for column in columns]
    notes = [f"{report['set']}, {report['weights']}: {report['chosen']}" for report in reports]
    notes.append(f"ImageNet weights: {WEIGHTS.name}, sha256 {hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}.")
    return Result("Accuracy", figures, [Table("Official test images", names, rows)], notes, {"training": SEED})


def _cell(value: str | float) -> str | float:
    return round(value, 3) if isinstance(value, float) else value
