"""Object detectors: trained on a real set from both starts within the default time, and asked picture by picture.

The set of this bench is the blood cells; `detectors_tiny` takes printed boards, with the same code.

Training needs PyTorch, which has an environment of its own (`make .cache/train/.installed-torch-..`); each training
has a process of its own there: `python -m bench.detectors SET START SECONDS SEED FOLDER`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import boxed, detectors_peer, given
from bench.bed import SHARED, Bed
from bench.boxed import SECONDS, BoxedSet
from bench.detect import timed
from bench.results import ROOT, Figure, Result, Table, Unavailable
from relook.vision.detect import library, starts
from relook.vision.detect.plan import Options
from relook.vision.detect.predicting import Detector
from relook.vision.detect.starts import Start
from relook.vision.engine import Device
from relook.vision.images import load_upright
from relook.vision.labelled import LabelTask

PYTHON = ROOT / ".cache" / "train" / "bin" / "python"
YOLOX = SHARED / "weights" / "yolox_nano_coco" / "yolox_nano.onnx"
SETS: dict[str, Callable[[], BoxedSet]] = {
    "blood cells": boxed.blood_cells,
    "printed boards": boxed.boards,
    "drawn plates": boxed.drawn,
}
OWN, GIVEN = "as installed", "YOLOX-nano"
TARGETS = {
    ("blood cells", OWN): 0.83,
    ("blood cells", GIVEN): 0.88,
    ("printed boards", OWN): 0.80,
    ("printed boards", GIVEN): 0.90,
}
ANSWER_MS = 40.0
QUICK_STEPS = 60
SEED = 0
ROUNDS = 3
_COLUMNS = (
    "set",
    "start",
    "training images",
    "test images",
    "mAP@0.5",
    "95 of 100",
    "mAP@0.5:0.95",
    "minutes",
    "steps",
    "images/s in training",
    "looks at",
    "median ms",
    "of it decoding",
)
NOTES = (
    "Trained within the default time of 30 minutes, evaluation included, on all cores; the training decides all by "
    "itself. mAP is the mean over labels on the official test images, boxes right from an overlap of 0.5; the interval "
    "is of resampled test images. A tenth of the training images is held out to choose the step.",
    "Milliseconds: from a file's bytes to boxes, one thread, in the bench's process, all test images in turn.",
    "Other peers: on PyPI (November 2026) ultralytics, yolov5, rfdetr, effdet, super-gradients and libreyolo require "
    "torchvision, mmdet imports mmcv, of which there is no wheel, and keras-hub requires tensorflow-text. The "
    "detectors of transformers do without, but their pretrained weights are fetched from a hub that is not reached "
    "from here; from random ones they were not tried.",
)


PUBLISHED = (
    "Published figures, for comparison: for the blood cells, networks of YOLO's family are reported with an mAP@0.5 of "
    "0.85 to 0.93 (many with splits of their own, trained for hours on GPUs)."
)


def measure(bed: Bed) -> Result:
    """Raises Unavailable without PyTorch or the real pictures."""
    return measured(bed, "drawn plates" if bed.quick else "blood cells", "Object detectors", PUBLISHED)


def measured(bed: Bed, name: str, title: str, published: str) -> Result:
    """Every start and the peer on one set, each kept. Raises Unavailable without PyTorch or the real pictures."""
    if not PYTHON.is_file():
        raise Unavailable("it needs PyTorch, in an environment that `make test` makes")
    given.need_real(bed)
    beginnings = [OWN] if bed.quick or not YOLOX.is_file() else [OWN, GIVEN]
    rows, beside, figures = [], [], []
    with given.steps("detectors", bed) as steps:
        for start in beginnings:
            found = steps.run(f"{name} / {start}", partial(_apart, name, start, bed.quick))
            if found is not None:
                rows.append(_row(name, start, found))
                beside.append(detectors_peer.our_row(name, start, found))
                figures += _figures(name, start, found, bed.quick)
    theirs = _peer(bed, name)
    if theirs is not None:
        beside += detectors_peer.their_rows(name, theirs)
        figures += detectors_peer.figures(name, theirs)
    if not (rows or theirs):
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    tables = [Table("Both starts", _COLUMNS, rows)] if rows else []
    tables += [detectors_peer.table(beside)] if theirs else []
    notes = (*NOTES, published, *(detectors_peer.NOTES if detectors_peer.there() else [detectors_peer.ABSENT]))
    return Result(title, figures, tables, notes, {"training": SEED})


def _peer(bed: Bed, name: str) -> dict[str, Any] | None:
    """What the peer found; None where its environment is absent. Kept apart, as its code is another."""
    if not detectors_peer.there():
        return None
    with given.steps("detectors_peer", bed) as steps:
        return steps.run(f"{name} / peer {detectors_peer.NAME}", partial(_beside, name, bed.quick))


def _beside(name: str, quick: bool) -> dict[str, Any]:
    return detectors_peer.run(SETS[name](), 0.0 if quick else SECONDS)


def train(name: str, start: Start, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """One training and what its model says of the test images; for JSON."""
    from relook.vision.detect.train import train as learn

    data = SETS[name]()
    options = Options(steps=QUICK_STEPS, size=256) if not seconds else Options()
    began = time.perf_counter()
    result = learn(
        data.training,
        data.test,
        start=start,
        task=LabelTask.DETECTION,
        labels=data.labels,
        output=folder,
        seed=seed,
        seconds=seconds or SECONDS,
        progress=lambda stage, done, of: None,
        options=options,
    )
    how = result.record["training"]
    area = result.record["average_precision"]
    return {
        "training_images": len(data.training),
        "test_images": len(data.test),
        "map_50": area["value"],
        "interval": area["interval"],
        "map": result.record["map_50_95"],
        "labels": {each["label"]: each["average_precision"]["value"] for each in result.record["labels"]},
        "minutes": (time.perf_counter() - began) / 60,
        "training": how,
        "parameters": detectors_peer.parameters(start, len(data.labels)),
        "images_per_second": options.batch / result.record["speed"]["seconds_per_step"],
    }


def _apart(name: str, start: str, quick: bool) -> dict[str, Any]:
    """A training in a process with PyTorch, then its artifact in this one."""
    with TemporaryDirectory(prefix="relook-bench-") as work:
        folder = Path(work) / "model"
        seconds = 0.0 if quick else SECONDS
        command = [str(PYTHON), "-m", "bench.detectors", name, start, str(seconds), str(SEED), str(folder)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found | _timed(folder, SETS[name]())


def _timed(folder: Path, data: BoxedSet) -> dict[str, float]:
    detector = Detector.load(folder, 1, Device.CPU)
    pictures = [image.load() for image in data.test]
    spans: dict[str, list[float]] = {"answer": [], "decoding": []}
    for _ in range(ROUNDS):
        for picture in pictures:
            spans["answer"].append(timed(lambda picture=picture: detector.predict(picture)))
            spans["decoding"].append(timed(lambda picture=picture: load_upright(picture)))
    return {f"{span}_ms": statistics.median(times) for span, times in spans.items()}


def _row(name: str, start: str, found: dict[str, Any]) -> list[str | float]:
    size, (low, high) = found["training"]["size"], found["interval"]
    return [
        name,
        start,
        found["training_images"],
        found["test_images"],
        round(found["map_50"], 3),
        f"{low:.3f} to {high:.3f}",
        round(found["map"], 3),
        round(found["minutes"], 1),
        found["training"]["steps_taken"],
        round(found["images_per_second"], 1),
        f"{size['width']}x{size['height']}",
        round(found["answer_ms"], 1),
        round(found["decoding_ms"], 1),
    ]


def _figures(name: str, start: str, found: dict[str, Any], quick: bool) -> list[Figure]:
    least = None if quick else TARGETS[name, start]
    figures = [
        Figure(f"mAP@0.5 of a detector, {name}, start {start}", round(found["map_50"], 3), at_least=least),
        Figure(f"minutes of its training, {name}, start {start}", round(found["minutes"], 1), "minutes"),
    ]
    most = ANSWER_MS if name == "blood cells" else None  # its pictures have 640x480 pixels
    answer = Figure(f"answer of a detector, {name}, start {start}", round(found["answer_ms"], 1), "ms", at_most=most)
    return [*figures, answer]


def main(arguments: Sequence[str]) -> None:
    name, start, seconds, seed, folder = arguments
    with TemporaryDirectory() as work:
        data = Path(work)
        if start == GIVEN:
            library.keep(YOLOX.read_bytes(), YOLOX.stem, YOLOX.name, data)
        chosen = library.choose(data) if start == GIVEN else starts.own()
        print(json.dumps(train(name, chosen, float(seconds), int(seed), Path(folder))))


if __name__ == "__main__":
    main(sys.argv[1:])
