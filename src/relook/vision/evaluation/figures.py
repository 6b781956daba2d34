"""The figures of an evaluation, and their form as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relook.vision.evaluation.evidence import LEVEL, Evidence, Span, draws, interval, mean_interval
from relook.vision.naming import listed

FEW_IMAGES = 10
"""Test images of a label below which its figures say little."""


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """Of one label: its rates at its threshold, all in 0..1.

    `images` is how many test images truly have the label, `truths` how often it is on them (boxes, for a detector).
    `average_precision` is None for a label that no test image has. `curve` holds (score, precision, recall).
    """

    label: str
    images: int
    truths: int
    threshold: float
    precision: float
    recall: float
    f1: float
    average_precision: float | None
    f1_interval: Span
    average_precision_interval: Span
    curve: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`labels` in the order of the model's outputs. Aggregates are unweighted means over the labels that were tested.

    `confusion` (rows, columns) are counts: for a classifier row g, column p: how many images of ground truth g the
    model took for p; for a detector the same of boxes, with one more row (nothing was there) and column (not found).
    `average_recall` is that of everything said at all.
    """

    labels: tuple[LabelFigures, ...]
    precision: float
    recall: float
    f1: float
    average_precision: float
    average_recall: float
    f1_interval: Span
    average_precision_interval: Span
    confusion: npt.NDArray[np.int64]
    images: int
    warnings: tuple[str, ...]

    @property
    def thresholds(self) -> dict[str, float]:
        return {figures.label: figures.threshold for figures in self.labels}

    @property
    def confusion_labels(self) -> tuple[str | None, ...]:
        """Of the rows of `confusion`, and likewise of its columns; None, which no label can be, is "nothing"."""
        labels = tuple(figures.label for figures in self.labels)
        return labels if len(labels) == len(self.confusion) else (*labels, None)


def evaluation(
    labels: Sequence[str],
    evidence: Sequence[Evidence],
    thresholds: Sequence[float],
    confusion: npt.NDArray[np.int64],
    seed: int | None,
) -> Evaluation:
    """Everything that follows from `evidence`, one for each label, over the same images, at least one; without a seed
    there are no intervals."""
    images = len(evidence[0].truths)
    resampled = [(np.empty(0), np.empty(0))] * len(evidence)
    if seed is not None:
        drawn = draws(images, seed)
        resampled = [each.resampled(at, drawn) for each, at in zip(evidence, thresholds, strict=True)]
    rows = tuple(
        _of_label(label, each, threshold, f1, areas)
        for label, each, threshold, (f1, areas) in zip(labels, evidence, thresholds, resampled, strict=True)
    )
    tested = [at for at, row in enumerate(rows) if row.truths]
    recalls = [evidence[at].recall_at_best() or 0.0 for at in tested]
    return Evaluation(
        labels=rows,
        precision=_mean([rows[at].precision for at in tested]),
        recall=_mean([rows[at].recall for at in tested]),
        f1=_mean([rows[at].f1 for at in tested]),
        average_precision=_mean([rows[at].average_precision or 0.0 for at in tested]),
        average_recall=_mean(recalls),
        f1_interval=mean_interval([resampled[at][0] for at in tested], [rows[at].f1_interval for at in tested]),
        average_precision_interval=mean_interval(
            [resampled[at][1] for at in tested], [rows[at].average_precision_interval for at in tested]
        ),
        confusion=confusion,
        images=images,
        warnings=_warnings(rows),
    )


def as_record(found: Evaluation) -> dict[str, Any]:
    """All of it as JSON values."""
    return {
        "images": found.images,
        "precision": found.precision,
        "recall": found.recall,
        "f1": _with(found.f1, found.f1_interval),
        "average_precision": _with(found.average_precision, found.average_precision_interval),
        "average_recall": found.average_recall,
        "interval_level": LEVEL,
        "confusion": found.confusion.tolist(),
        "confusion_labels": list(found.confusion_labels),
        "warnings": list(found.warnings),
        "labels": [_label_record(figures) for figures in found.labels],
    }


def _label_record(figures: LabelFigures) -> dict[str, Any]:
    area = figures.average_precision
    return {
        "label": figures.label,
        "images": figures.images,
        "truths": figures.truths,
        "threshold": figures.threshold,
        "precision": figures.precision,
        "recall": figures.recall,
        "f1": _with(figures.f1, figures.f1_interval),
        "average_precision": None if area is None else _with(area, figures.average_precision_interval),
        "curve": [{"score": score, "precision": p, "recall": r} for score, p, r in figures.curve],
    }


def _with(value: float, span: Span) -> Mapping[str, Any]:
    return {"value": value, "interval": None if span is None else list(span)}


def _of_label(
    label: str, each: Evidence, threshold: float, f1: npt.NDArray[np.float64], areas: npt.NDArray[np.float64]
) -> LabelFigures:
    precision, recall, value = each.rates(threshold)
    images = int((each.truths > 0).sum())
    return LabelFigures(
        label=label,
        images=images,
        truths=each.total,
        threshold=threshold,
        precision=precision,
        recall=recall,
        f1=value,
        average_precision=each.average_precision(),
        f1_interval=interval(f1, images),
        average_precision_interval=interval(areas, images),
        curve=tuple(each.curve()),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _warnings(rows: Sequence[LabelFigures]) -> tuple[str, ...]:
    untested = [row.label for row in rows if not row.images]
    never = [row.label for row in rows if row.images and not row.average_precision]
    few = [f"{row.label} ({row.images})" for row in rows if 0 < row.images < FEW_IMAGES]
    found = []
    if untested:
        found.append(
            f"No test image has the label {listed(untested)}: no threshold could be chosen for it (0.5 is taken) and "
            "nothing is known of how good it is."
        )
    if never:
        found.append(
            f"On no test image is {listed(never)} found where it is: no threshold could be chosen for it "
            "(0.5 is taken)."
        )
    if few:
        found.append(
            f"Fewer than {FEW_IMAGES} test images have the label {listed(few)}: thresholds and figures were made from "
            "so few images that others may give quite different ones; add labelled images."
        )
    return tuple(found)
