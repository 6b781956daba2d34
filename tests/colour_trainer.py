"""Trainers of labels that learn in milliseconds, for pictures that differ by colour: small, but real."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from scipy import ndimage

from relook.vision.labelled import (
    FoundLabel,
    LabelledImage,
    LabelPrediction,
    LabelResult,
    LabelTask,
    LabelTest,
    Rectangle,
)
from relook.vision.samples import Progress

Colour = npt.NDArray[np.float64]
THRESHOLD = 0.5
_NEAR = 60.0
"""Distance of colours, 0..441, at which a score has halved."""


class ColourTrainer:
    """A label is the mean colour of its images, or of its boxes; keeps what it was given."""

    def __init__(self) -> None:
        self.training: Sequence[LabelledImage] = ()
        self.test: Sequence[LabelledImage] = ()
        self.labels: Sequence[str] = ()
        self.task: LabelTask | None = None
        self.seconds = 0.0
        self.fails: Exception | None = None
        self.first: Callable[[], None] | None = None
        """Called before anything is learnt."""
        self.details: dict[str, object] = {}
        """What stands in the record beside the usual."""

    def __call__(
        self,
        training: Sequence[LabelledImage],
        test: Sequence[LabelledImage],
        *,
        task: LabelTask,
        labels: Sequence[str],
        output: Path,
        seed: int,
        seconds: float,
        progress: Progress,
    ) -> LabelResult:
        self.training, self.test, self.labels, self.task, self.seconds = training, test, labels, task, seconds
        progress("learning the colours", 1, 4)
        if self.first is not None:
            self.first()
        if self.fails is not None:
            raise self.fails
        colours = _learnt(training, labels, task)
        record = {"seed": seed, "task": task.value, "colours": {label: list(colours[label]) for label in labels}}
        (output / "model.onnx").write_bytes(b"")
        (output / "model.json").write_text(json.dumps(record, indent=1))
        tests = tuple(LabelTest(image, _answer(image, colours, task)) for image in test)
        thresholds = dict.fromkeys(labels, THRESHOLD)
        details = {"curve": "none", "warnings": ["Fewer than 10 test images."], **self.details}
        return LabelResult(output, thresholds, tests, ("Colours were learnt.",), details)


def pixels(data: bytes) -> npt.NDArray[np.float64]:
    """(height, width, 3) of the upright picture."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(np.float64)


def _learnt(training: Sequence[LabelledImage], labels: Sequence[str], task: LabelTask) -> dict[str, Colour]:
    seen: dict[str, list[Colour]] = {label: [] for label in labels}
    for image in training:
        picture = pixels(image.load())
        for label in image.labels:
            seen[label].append(picture.mean((0, 1)))
        for one in image.boxes:
            box = one.box
            part = picture[round(box.top) : round(box.top + box.height), round(box.left) : round(box.left + box.width)]
            seen[one.label].append(part.mean((0, 1)))
    assert task is LabelTask.DETECTION or all(image.labels for image in training)
    return {label: np.mean(values, axis=0) for label, values in seen.items()}


def _answer(image: LabelledImage, colours: dict[str, Colour], task: LabelTask) -> LabelPrediction:
    picture = pixels(image.load())
    if task is LabelTask.DETECTION:
        found = [one for label, colour in colours.items() for one in _areas(picture, label, colour)]
    else:
        scores = {label: _score(picture.mean((0, 1)), colour) for label, colour in colours.items()}
        total = sum(scores.values()) if task is LabelTask.SINGLE_LABEL else 1.0
        found = [FoundLabel(label, score / total, THRESHOLD) for label, score in scores.items()]
    height, width = picture.shape[:2]
    return LabelPrediction(width, height, tuple(sorted(found, key=lambda one: -one.score)))


def _areas(picture: npt.NDArray[np.float64], label: str, colour: Colour) -> list[FoundLabel]:
    areas, _ = ndimage.label(np.linalg.norm(picture - colour, axis=2) < _NEAR)
    found = []
    for rows, columns in ndimage.find_objects(areas):
        box = Rectangle(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        if box.width > 3 and box.height > 3:
            found.append(FoundLabel(label, _score(picture[rows, columns].mean((0, 1)), colour), THRESHOLD, box))
    return found


def _score(one: Colour, other: Colour) -> float:
    return float(0.5 ** (np.linalg.norm(one - other) / _NEAR))
