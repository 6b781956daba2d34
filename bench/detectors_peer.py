"""Beside our detectors: YOLOX-tiny, trained on the same images for the same time, and judged by the same code.

It has an environment of its own (`make .cache/peer-detector/.installed`) and a process of its own: `peer_detector.py`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.boxed import BoxedSet
from bench.results import ROOT, Figure, Table
from relook.vision import runtime
from relook.vision.detect.geometry import CELL
from relook.vision.detect.pictures import look
from relook.vision.detect.starts import Start
from relook.vision.evaluation import evaluate_detector
from relook.vision.evaluation.detection import mean_average_precision
from relook.vision.images import Size
from relook.vision.labelled import FoundLabel, LabelledImage, Rectangle
from relook.vision.runtime import Precision

PYTHON = ROOT / ".cache" / "peer-detector" / "bin" / "python"
STAMP = ROOT / ".cache" / "peer-detector" / ".installed"
NAME = "YOLOX-tiny"
USUAL_SIDE = 416
QUICK_SIDE, QUICK_STEPS = 128, 24
"""So many steps that the last ones are on plain pictures."""
SEED = 0
_COLUMNS = (
    "set",
    "detector",
    "start",
    "parameters, million",
    "looks at",
    "mAP@0.5",
    "95 of 100",
    "mAP@0.5:0.95",
    "trained in",
    "minutes",
    "images in training steps",
    "median ms",
    "median ms, PyTorch",
)
NOTES = (
    f"The peer, {NAME}, is pixeltable-yolox's (0.4.3, October 2026, Apache-2.0), the kept-up fork of the original. It "
    "starts from random weights, as those published are at an address that is not reached from here. Ours starts from "
    "what is installed, a backbone distilled on generated images, or, in the rows that say so, from YOLOX-nano's COCO "
    "weights: the table compares what one has within half an hour on this machine, not two networks.",
    "The peer's network, loss, optimiser, schedule (stretched over the time), average and mosaics are its library's "
    "as configured for YOLOX-tiny: pictures are fitted to 416 first, and learned from at sizes from 320 to 640; the "
    "average remembers few steps where there are so few. In bfloat16 where the CPU has it and a step is faster with "
    "it. Differing: batches of 4, as ours, and their rate, 0.01. The published rate, meant for 300 passes through "
    "COCO, would be 0.0006. Chosen in trials of 140 s on small pictures, judged on training images alone: the loss "
    "fell from 10.5 to 10.0 with batches of 8 at the published rate, to about 8 at 0.01, below it with batches of 4. "
    "It learns from all training images and keeps its last average; its minutes are of training alone.",
    "The peer answers at its usual size and at the one that ours looks at, for one training; its figure is the better "
    "of the two on the test images. Milliseconds: as above, one thread, by OpenVINO in its own process; beside it "
    "PyTorch, whose answers were judged. torchvision, which the library imports for the choice among overlapping "
    "boxes alone, is not installed: OpenCV chooses.",
)
ABSENT = f"No peer was run: {NAME} needs an environment of its own (make .cache/peer-detector/.installed)."


def there() -> bool:
    return STAMP.is_file()


def run(data: BoxedSet, seconds: float) -> dict[str, Any]:
    """One training and its answers, judged at each size; for JSON. A few small steps where `seconds` is 0."""
    with TemporaryDirectory(prefix="relook-peer-") as place:
        file = Path(place) / "job.json"
        file.write_text(json.dumps(job(data, seconds, Path(place))), "utf-8")
        command = [str(PYTHON), "-W", "ignore", str(ROOT / "bench" / "peer_detector.py"), str(file)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for each in found["answers"]:
        each |= judged(data, each.pop("boxes"))
    return found


def job(data: BoxedSet, seconds: float, folder: Path) -> dict[str, Any]:
    """What `peer_detector.py` is told; the images are put into the folder."""
    ours = look(data.training, [], lambda stage, done, of: None).size
    sizes = [scaled(ours, USUAL_SIDE), ours] if seconds else [scaled(ours, QUICK_SIDE), scaled(ours, 2 * QUICK_SIDE)]
    return {
        "labels": len(data.labels),
        "training": [
            {"image": _placed(image, folder / f"train-{at}"), "boxes": corners(image, data.labels)}
            for at, image in enumerate(data.training)
        ],
        "test": [_placed(image, folder / f"test-{at}") for at, image in enumerate(data.test)],
        "sizes": [[each.height, each.width] for each in sizes],
        "seconds": seconds,
        "steps": 0 if seconds else QUICK_STEPS,
        "short": runtime.native_precision() is Precision.BF16,
        "seed": SEED,
    }


def scaled(size: Size, long_side: int) -> Size:
    """Of about that shape, in whole cells."""
    scale = long_side / max(size.height, size.width)
    return Size(*(max(CELL, CELL * round(side * scale / CELL)) for side in (size.height, size.width)))


def corners(image: LabelledImage, labels: Sequence[str]) -> list[list[float]]:
    """Left, top, right, bottom and the label's position, of each box."""
    boxes = [(each.box, labels.index(each.label)) for each in image.boxes]
    return [[box.left, box.top, box.left + box.width, box.top + box.height, at] for box, at in boxes]


def said(boxes: Sequence[Sequence[float]], labels: Sequence[str]) -> list[FoundLabel]:
    """What the peer found in an image, as our detectors say it."""
    return [
        FoundLabel(labels[round(label)], score, 0.5, Rectangle(left, top, right - left, bottom - top))
        for left, top, right, bottom, score, label in boxes
        if right > left and bottom > top
    ]


def judged(data: BoxedSet, boxes: Sequence[Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Of the boxes found in each test image, by the code that judges ours."""
    pairs = [(image.boxes, said(each, data.labels)) for image, each in zip(data.test, boxes, strict=True)]
    found = evaluate_detector(pairs, data.labels, seed=SEED)
    return {
        "map_50": found.average_precision,
        "interval": list(found.average_precision_interval or (0.0, 0.0)),
        "map": mean_average_precision(pairs, data.labels),
        "labels": {each.label: each.average_precision for each in found.labels},
    }


def parameters(start: Start, labels: int) -> int:
    """Of one of our detectors: weights and biases, norms folded in."""
    return sum(prod(each.shape) + each.out for each in start.architecture(labels).convolutions)


def our_row(name: str, start: str, found: dict[str, Any]) -> list[str | float]:
    size, taken = found["training"]["size"], found["training"]["steps_taken"]
    size, batch = (size["height"], size["width"]), found["training"]["options"]["batch"]
    middle = _figures(found, size)
    ends = [runtime.native_precision(), round(found["minutes"], 1), taken * batch, round(found["answer_ms"], 1), ""]
    return [name, "relook", start, round(found["parameters"] / 1e6, 2), *middle, *ends]


def their_rows(name: str, found: dict[str, Any]) -> list[list[str | float]]:
    start = [name, NAME, "random", round(found["parameters"] / 1e6, 2)]
    taken = [found["precision"], round(found["training_seconds"] / 60, 1), found["images"]]
    return [
        [*start, *_figures(each, each["size"]), *taken, round(each["openvino_ms"], 1), round(each["torch_ms"], 1)]
        for each in found["answers"]
    ]


def figures(name: str, found: dict[str, Any]) -> list[Figure]:
    """The better of its sizes."""
    best = max(found["answers"], key=lambda each: each["map_50"])
    return [Figure(f"mAP@0.5 of the peer {NAME}, {name}, start random", round(best["map_50"], 3))]


def table(rows: Sequence[Sequence[str | float]]) -> Table:
    return Table("Beside a peer, trained on the same images within the same time on the same cores", _COLUMNS, rows)


def _figures(found: dict[str, Any], size: Sequence[int]) -> list[str | float]:
    low, high = found["interval"]
    shown = f"{size[1]}x{size[0]}"
    return [shown, round(found["map_50"], 3), f"{low:.3f} to {high:.3f}", round(found["map"], 3)]


def _placed(image: LabelledImage, path: Path) -> str:
    path.write_bytes(image.load())
    return str(path)
