"""Trainings of Custom Labels on ten to thousands of images: time, memory and what comes of it.

Sets of any number are parts of real ones (of drawn plates in a quick run), or made of them by seeded flips, shifts and
changes of brightness, and lie on disk before anything is timed. Each training is a process of its own, with PyTorch,
so that its peak memory is its own: `python -m bench.many WHAT SECONDS FOLDER`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench import boxed, given, named
from bench.bed import Bed
from bench.detectors import PYTHON
from bench.results import QUICK, ROOT, Figure, Result, Table, Unavailable
from bench.scaling import encode, vary
from relook.vision.images import Pixels, load_upright
from relook.vision.labelled import LabelledBox, LabelledImage, LabelTask, Rectangle

CLASSIFIER, DETECTOR = "classifier", "detector"
COUNTS = {CLASSIFIER: (10, 100, 1_000, 5_000), DETECTOR: (10, 100, 5_000)}
SECONDS = {CLASSIFIER: 600.0, DETECTOR: 1800.0}
TESTED = 10
"""One image in so many is a test image, beyond the number, where there are more than the real ones."""
MEMORY_MIB = 4096.0
SEED = 0
_COLUMNS = ("what", "training images", "test images", "minutes", "ms per image", "peak MiB", "quality", "chosen")
NOTES = (
    "Training: by itself, within the default time (10 minutes for a classifier, 30 for a detector), test images "
    "answered, from files on disk to the artifact; peak is the largest resident size of its process.",
    "Of three kinds of products, and of blood cells for detectors. Fewer images than there are: a part of them, spread "
    "over all, tested with all official test images. More: variants beside them (flipped, brighter or darker by up to "
    "10 %, products also shifted by up to 4 %), tested with variants of the official test images. Quality: accuracy, "
    "and mAP@0.5.",
)


@dataclass(frozen=True, slots=True)
class Case:
    what: str
    count: int

    @property
    def name(self) -> str:
        return f"{self.what}, {self.count:,} images"


def measure(bed: Bed) -> Result:
    """Every case, each kept. Raises Unavailable without PyTorch."""
    if not PYTHON.is_file():
        raise Unavailable("it needs PyTorch, in an environment that `make test` makes")
    given.need_real(bed)
    rows: list[list[str | float]] = []
    figures: list[Figure] = []
    with given.steps("many", bed) as steps:
        for what, counts in COUNTS.items():
            for count in (20,) if bed.quick else counts:
                case = Case(what, count)
                found = steps.run(case.name, partial(_apart, case, bed.quick))
                if found is not None:
                    rows.append(_row(case, found))
                    figures += _figures(case, found, bed.quick)
    if not rows:
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    return Result(
        "Custom Labels, few and many images", figures, [Table("Trainings", _COLUMNS, rows)], NOTES, {"variants": SEED}
    )


def _apart(case: Case, quick: bool) -> dict[str, Any]:
    """Make the images, train in a process of its own; for JSON."""
    QUICK.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="many-", dir=QUICK) as name:
        folder = Path(name)
        training, test = _originals(case.what, quick)
        sets = {"training": make(training, case.count, folder / "training")}
        tested = len(test) if case.count < len(training) else max(4, case.count // TESTED)
        sets["test"] = make(test, tested, folder / "test")
        (folder / "sets.json").write_text(json.dumps(sets))
        seconds = 5.0 if quick else SECONDS[case.what]
        command = [str(PYTHON), "-m", "bench.many", case.what, str(seconds), str(folder)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def _originals(what: str, quick: bool) -> tuple[Sequence[LabelledImage], Sequence[LabelledImage]]:
    if what == CLASSIFIER:
        names = named.drawn() if quick else named.products()
        return names.training, names.test
    boxes = boxed.drawn() if quick else boxed.blood_cells()
    return boxes.training, boxes.test


def make(originals: Sequence[LabelledImage], count: int, folder: Path) -> list[dict[str, Any]]:
    """So many images as files, with their labels and boxes: some originals, or all in turn, varied from the second
    turn on; the same bytes each time."""
    folder.mkdir()
    made, taken = [], min(count, len(originals))
    for number in range(count):
        original = originals[number % taken * len(originals) // taken]
        image, boxes = _pixels(original), list(original.boxes)
        if number >= len(originals):
            image, boxes = _flipped(image, boxes, number) if boxes else (vary(image, number), boxes)
        file = folder / f"{number:05}.jpg"
        file.write_bytes(encode(image, None))
        made.append({"path": str(file), "labels": original.labels, "boxes": [asdict(box) for box in boxes]})
    return made


@cache
def _pixels(image: LabelledImage) -> Pixels:
    return load_upright(image.load()).pixels


def _flipped(image: Pixels, boxes: list[LabelledBox], seed: int) -> tuple[Pixels, list[LabelledBox]]:
    """Along either side or both or none, and brighter or darker; boxes go along."""
    rng = np.random.default_rng([SEED, seed])
    across, down = bool(rng.integers(2)), bool(rng.integers(2))
    height, width = image.shape[:2]
    moved = []
    for each in boxes:
        box = each.box
        left = width - box.left - box.width if across else box.left
        top = height - box.top - box.height if down else box.top
        moved.append(LabelledBox(each.label, Rectangle(left, top, box.width, box.height)))
    turned = image[:: -1 if down else 1, :: -1 if across else 1]
    return np.clip(turned * rng.uniform(0.9, 1.1), 0, 255).astype(np.uint8), moved


def train(what: str, seconds: float, folder: Path) -> dict[str, Any]:
    """One training; for JSON."""
    sets = json.loads((folder / "sets.json").read_text())
    training, test = ([_image(each) for each in sets[name]] for name in ("training", "test"))
    began = time.perf_counter()
    quality, chosen = (_classify if what == CLASSIFIER else _detect)(training, test, seconds, folder / "model")
    return {
        "test_images": len(test),
        "minutes": (time.perf_counter() - began) / 60,
        "quality": quality,
        "chosen": chosen,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _image(told: dict[str, Any]) -> LabelledImage:
    boxes = (LabelledBox(each["label"], Rectangle(**each["box"])) for each in told["boxes"])
    return LabelledImage(told["path"], Path(told["path"]).read_bytes, tuple(told["labels"]), tuple(boxes))


def _classify(
    training: list[LabelledImage], test: list[LabelledImage], seconds: float, output: Path
) -> tuple[float, str]:
    from relook.vision.classify.train import train as learn
    from relook.vision.shipped import backbone

    labels = sorted({label for image in training for label in image.labels})
    result = learn(
        training, test, backbone=backbone(), task=LabelTask.SINGLE_LABEL, labels=labels, output=output, seed=SEED,
        seconds=seconds, progress=lambda stage, done, of: None,
    )  # fmt: skip
    right = sum(each.prediction.found[0].name in each.image.labels for each in result.tests)
    chosen = result.record["chosen"]
    return right / len(test), f"{chosen['recipe']} at {'x'.join(str(side) for side in chosen['size'])}"


def _detect(
    training: list[LabelledImage], test: list[LabelledImage], seconds: float, output: Path
) -> tuple[float, str]:
    from relook.vision.detect import starts
    from relook.vision.detect.train import train as learn

    labels = sorted({box.label for image in training for box in image.boxes})
    result = learn(
        training, test, start=starts.own(), task=LabelTask.DETECTION, labels=labels, output=output, seed=SEED,
        seconds=seconds, progress=lambda stage, done, of: None,
    )  # fmt: skip
    how = result.record["training"]
    size = how["size"]
    return result.record["average_precision"]["value"], (
        f"{how['steps_taken']} steps at {size['width']}x{size['height']}"
    )


def _row(case: Case, found: dict[str, Any]) -> list[str | float]:
    return [
        case.what,
        case.count,
        found["test_images"],
        round(found["minutes"], 1),
        round(60_000 * found["minutes"] / case.count, 1),
        round(found["peak_mib"]),
        round(found["quality"], 3),
        found["chosen"],
    ]


def _figures(case: Case, found: dict[str, Any], quick: bool) -> list[Figure]:
    most = None if quick else SECONDS[case.what] / 60
    return [
        Figure(f"minutes of training, {case.name}", round(found["minutes"], 1), "minutes", at_most=most),
        Figure(f"peak memory of it, {case.name}", round(found["peak_mib"]), "MiB", at_most=MEMORY_MIB),
    ]


def main(arguments: Sequence[str]) -> None:
    what, seconds, folder = arguments
    print(json.dumps(train(what, float(seconds), Path(folder))))


if __name__ == "__main__":
    main(sys.argv[1:])
