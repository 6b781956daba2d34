"""What a training says of its figures, in plain sentences: how sure they are, and when there are too few images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from relook.vision.intervals import LEVEL, RESAMPLINGS, Flags, Floats, Interval, Intervals, of_images
from relook.vision.samples import DefectClass, TestResult

WIDE = 0.2
"""An interval wider than this says too little to compare two models."""
POINTED = 0.5
"""Of the images with a mask: with fewer pointed at, the figures say little about defects."""
FEW = 10
"""With fewer images of a label than this, one image moves the figures by a tenth or more."""


def of_tests(tests: Sequence[TestResult], overlaps: Sequence[Sequence[float]], seed: int) -> Intervals | None:
    """Of the answers to the test images; None when these have one label only. `overlaps` as `of_images` takes them."""
    return of_images(
        np.array([test.prediction.score for test in tests], np.float64),
        np.array([test.prediction.anomalous for test in tests], bool),
        np.array([test.anomalous for test in tests], bool),
        seed,
        overlaps,
    )


def of_held_out(raw: Floats, threshold: float, anomalous: Flags, seed: int) -> Intervals | None:
    """Of cross-validated raw scores (n,) of training images, at the raw threshold."""
    return of_images(raw, raw >= threshold, anomalous, seed)


def interval_notes(
    test: Intervals | None, held_out: Intervals | None, classes: Sequence[DefectClass], test_images: int
) -> list[str]:
    """A sentence for the test images and one for cross-validation, and warnings where images are too few to tell."""
    notes = []
    if test is not None:
        notes += [_told(test, "test images", classes), *_warnings(test)]
    elif test_images:
        notes.append("The test images have one label only: they cannot tell how well the labels are told apart.")
    else:
        notes.append("There are no test images: nothing says how well the model tells anomalies from normal images.")
    if held_out is not None:
        notes.append(_told(held_out, "training images by cross-validation (the threshold was chosen on them)", ()))
    return notes


def pointing_notes(tests: Sequence[TestResult]) -> list[str]:
    """Whether the model looks at the defects: a label can be told from a tray or a shadow, too. Of the images with a
    mask: how often the hottest point lies on it (the pointing game, Zhang et al., 2018)."""
    known = [test.on_mask for test in tests if test.on_mask is not None]
    if not known:
        return []
    hits, many = sum(known), len(known)
    told = f"The hottest point lies on the mask, or a cell beside it, in {hits} of {many} test images with a mask."
    if hits < POINTED * many:
        told += " What the labels are told by may not be the defect: look at the heat maps of the others."
    return [told]


def as_record(test: Intervals | None, held_out: Intervals | None) -> dict[str, Any]:
    """As JSON: `test` and `held_out`, each null where it cannot be told, else what `Intervals` holds."""
    found = {"test": test, "held_out": held_out}
    return {
        "level": LEVEL,
        "resamplings": RESAMPLINGS,
        **{name: None if each is None else asdict(each) for name, each in found.items()},
    }


def spread(raw: Floats, anomalous: Flags, planted: bool) -> dict[str, list[float]]:
    """Least, quartiles and highest of the held-out raw scores of each label: what the raw threshold lies among."""
    found = {"normal": raw[~anomalous], "planted" if planted else "anomaly": raw[anomalous]}
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    return {name: [float(value) for value in np.quantile(each, shares)] for name, each in found.items() if len(each)}


def _told(found: Intervals, images: str, classes: Sequence[DefectClass]) -> str:
    percent = round(100 * LEVEL)
    parts = [
        f"F1 {found.f1.value:.2f}, {percent} % interval {_range(found.f1)} from {found.images} {images}",
        f"precision {found.precision.value:.2f} ({_range(found.precision)})",
        f"recall {found.recall.value:.2f} ({_range(found.recall)})",
        f"AUROC {found.roc_auc.value:.2f} ({_range(found.roc_auc)})",
    ]
    for defect, overlap in zip(classes, found.average_iou, strict=True):
        if overlap is not None:
            parts.append(f"mean IoU of {defect.name} {overlap.value:.2f} ({_range(overlap)})")
    return "; ".join(parts) + "."


def _range(interval: Interval) -> str:
    return f"{interval.low:.2f} to {interval.high:.2f}"


def _warnings(found: Intervals) -> list[str]:
    """The rule: fewer than FEW of a label, or an F1 or AUROC interval wider than WIDE. Without any error the interval
    has no width, so then the error rate is told at which n right answers in a row have a chance of 1 - LEVEL."""
    notes = []
    fewest = min(found.normals, found.anomalies)
    wide = max(found.f1.width, found.roc_auc.width)
    if fewest < FEW or wide > WIDE:
        room = f" leave an interval {wide:.2f} wide" if wide > WIDE else " are not enough"
        notes.append(
            f"Too few test images to tell how good the model is: {found.normals} normal and {found.anomalies} "
            f"anomalous ones{room}; have {FEW} of each label at least, better more."
        )
    if not found.errors:
        missed = 1 - (1 - LEVEL) ** (1 / fewest)
        notes.append(
            f"No test image was judged wrong. So few cannot rule errors out: with {fewest} images of a label, "
            f"up to {100 * missed:.0f} % of such images may still be judged wrong."
        )
    return notes
