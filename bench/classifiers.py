"""Classifiers of whole images: trained within the default time, from frozen features, and fine-tuned if that is better.

Each training has a process of its own, with PyTorch: `python -m bench.classifiers SET HOW SECONDS SEED FOLDER`.
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

import numpy as np

from bench import given, named
from bench.bed import Bed
from bench.detect import timed
from bench.detectors import PYTHON
from bench.named import NamedSet
from bench.results import ROOT, Figure, Result, Table, Unavailable
from relook.vision.classify.predicting import Classifier
from relook.vision.classify.train import Options
from relook.vision.classify.train import train as learn
from relook.vision.engine import Device
from relook.vision.labelled import LabelResult, LabelTask
from relook.vision.metrics import auroc
from relook.vision.shipped import backbone

SETS: dict[str, Callable[[], NamedSet]] = {
    "three products": named.products,
    "boards, good or bad": named.boards,
    "defects cut out of boards": named.cut_out,
    "kinds of defect on boards": named.kinds,
    "drawn plates": named.drawn,
}
AS_IT_IS, TUNED = "as it is", "fine-tuned if better"
LEAST = {"three products": ("accuracy", 1.0), "boards, good or bad": ("F1", 0.95)}
SECONDS = 600.0
SEED = 0
_COLUMNS = (
    "set",
    "",
    "training images",
    "test images",
    "labels",
    "accuracy",
    "AUROC",
    "F1",
    "95 of 100",
    "minutes",
    "chosen",
    "looks at",
    "median ms",
)
NOTES = (
    "Trained within the default time of 10 minutes, on all cores, from the shipped backbone; the training decides all "
    "by itself. As it is: without trying to fine-tune, as where PyTorch is not installed. Accuracy: how many of the "
    "test images have their label first; for several labels to an image there is none. AUROC: the mean over labels. "
    "F1: the mean over labels at the thresholds chosen on the test images, as the original does, so it is optimistic; "
    "the interval is of resampled test images.",
    "Cut-out defects are pieces of 96x96 pixels around the boxes of DeepPCB. On whole boards nearly every kind of "
    "defect is there nearly always, so that little can be learned of what its absence looks like.",
    "Milliseconds: from a file's bytes to labels, one thread, in the bench's process, test images in turn.",
)


def measure(bed: Bed) -> Result:
    """Every set, fine-tuned and not, each kept. Raises Unavailable without PyTorch or the real pictures."""
    if not PYTHON.is_file():
        raise Unavailable("it needs PyTorch, in an environment that `make test` makes")
    given.need_real(bed)
    rows, figures = [], []
    with given.steps("classifiers", bed) as steps:
        for name in ["drawn plates"] if bed.quick else [name for name in SETS if name != "drawn plates"]:
            for how in (AS_IT_IS, TUNED):
                found = steps.run(f"{name} / {how}", partial(_apart, name, how, bed.quick))
                if found is not None:
                    rows.append(_row(name, how, found))
                    figures += _figures(name, how, found, bed.quick)
    if not rows:
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    return Result("Classifiers", figures, [Table("All sets", _COLUMNS, rows)], NOTES, {"training": SEED})


def train(name: str, seconds: float, seed: int, folder: Path, *, fine_tune: bool) -> dict[str, Any]:
    """One training and what its model says of the test images; for JSON."""
    data = SETS[name]()
    began = time.perf_counter()
    result = learn(
        data.training,
        data.test,
        backbone=backbone(),
        task=data.task,
        labels=data.labels,
        output=folder,
        seed=seed,
        seconds=seconds,
        progress=lambda stage, done, of: None,
        options=Options(fine_tune=fine_tune),
    )
    minutes = (time.perf_counter() - began) / 60
    f1, chosen = result.record["f1"], result.record["chosen"]
    return {
        "training_images": len(data.training),
        "test_images": len(data.test),
        "labels": len(data.labels),
        "accuracy": _accuracy(result) if data.task is LabelTask.SINGLE_LABEL else None,
        "auroc": _area(result, data.labels),
        "f1": f1["value"],
        "interval": f1["interval"],
        "minutes": minutes,
        "chosen": chosen["recipe"],
        "size": chosen["size"],
    }


def _accuracy(result: LabelResult) -> float:
    return statistics.mean(each.prediction.found[0].name in each.image.labels for each in result.tests)


def _area(result: LabelResult, labels: Sequence[str]) -> float:
    """Mean over the labels."""
    areas = []
    for label in labels:
        scores = [next(one.score for one in each.prediction.found if one.name == label) for each in result.tests]
        areas.append(auroc(np.array(scores), np.array([label in each.image.labels for each in result.tests])))
    return statistics.mean(area for area in areas if area is not None)


def _apart(name: str, how: str, quick: bool) -> dict[str, Any]:
    """A training in a process with PyTorch, then its artifact in this one."""
    with TemporaryDirectory(prefix="relook-bench-") as work:
        folder = Path(work) / "model"
        seconds = 1.0 if quick else SECONDS
        command = [str(PYTHON), "-m", "bench.classifiers", name, how, str(seconds), str(SEED), str(folder)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        classifier = Classifier.load(folder, 1, Device.CPU)
        images = [image.load() for image in SETS[name]().test]
        times = [timed(lambda image=image: classifier.predict(image)) for image in images]
        return found | {"answer_ms": statistics.median(times)}


def _row(name: str, how: str, found: dict[str, Any]) -> list[str | float]:
    low, high = found["interval"]
    return [
        name,
        how,
        found["training_images"],
        found["test_images"],
        found["labels"],
        "" if found["accuracy"] is None else round(found["accuracy"], 3),
        round(found["auroc"], 3),
        round(found["f1"], 3),
        f"{low:.3f} to {high:.3f}",
        round(found["minutes"], 1),
        found["chosen"],
        "x".join(str(side) for side in found["size"]),
        round(found["answer_ms"], 1),
    ]


def _figures(name: str, how: str, found: dict[str, Any], quick: bool) -> list[Figure]:
    word, least = LEAST.get(name, ("AUROC" if found["accuracy"] is None else "accuracy", None))
    value = {"accuracy": found["accuracy"], "F1": found["f1"], "AUROC": found["auroc"]}[word]
    wanted = None if quick else least
    return [
        Figure(f"{word} of a classifier, {name}, {how}", round(value, 3), at_least=wanted),
        Figure(f"minutes of its training, {name}, {how}", round(found["minutes"], 1), "minutes"),
    ]


def main(arguments: Sequence[str]) -> None:
    name, how, seconds, seed, folder = arguments
    print(json.dumps(train(name, float(seconds), int(seed), Path(folder), fine_tune=how == TUNED)))


if __name__ == "__main__":
    main(sys.argv[1:])
