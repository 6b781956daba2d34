"""Object detectors: a box is right if it overlaps a true one of its label by half (PASCAL VOC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.evaluation.evidence import Evidence
from relook.vision.evaluation.figures import Evaluation, evaluation
from relook.vision.labelled import FoundLabel, LabelledBox, Rectangle, as_told

OVERLAP = 0.5
"""Intersection over union that makes a box right."""
COCO_OVERLAPS = tuple(0.5 + 0.05 * step for step in range(10))

Floats = npt.NDArray[np.float64]
Image = tuple[Sequence[LabelledBox], Sequence[FoundLabel]]
"""What is truly on an image, and what was found on it."""
_Said = tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int64]]
"""Of one image and label: scores, whether right, and the image's position again and again."""


@dataclass(frozen=True, slots=True)
class _Side:
    """Boxes of one image: (n, 4) left, top, right, bottom; their labels as positions; scores, 1 for true ones."""

    corners: Floats
    label: npt.NDArray[np.int64]
    scores: Floats


def evaluate_detector(
    images: Sequence[Image], labels: Sequence[str], *, seed: int | None, thresholds: Sequence[float] | None = None
) -> Evaluation:
    """Of each test image its true boxes and what was found. Deterministic for a seed; None: no intervals.

    `thresholds` are those of the best F1 on these images unless given. ValueError without an image, or where a box has
    a label that is not in `labels`.
    """
    sides = _sides(images, labels)
    evidence = _evidence(sides, len(labels), OVERLAP)
    chosen = [each.threshold() for each in evidence] if thresholds is None else list(thresholds)
    return evaluation(labels, evidence, chosen, _confusion(sides, np.array(chosen)), seed)


def mean_average_precision(
    images: Sequence[Image], labels: Sequence[str], overlaps: Sequence[float] = COCO_OVERLAPS
) -> float:
    """The mean over labels that are on some image, and over `overlaps`; 0 if none is."""
    sides = _sides(images, labels)
    areas = [each.average_precision() for overlap in overlaps for each in _evidence(sides, len(labels), overlap)]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else 0.0


def overlaps(one: Floats, other: Floats) -> Floats:
    """(n, m): intersection over union of (n, 4) and (m, 4) left, top, right, bottom."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    sizes = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(1) for each in (one, other)]
    union = sizes[0][:, None] + sizes[1][None] - shared
    ratio: Floats = shared / np.maximum(union, 1e-12)
    return ratio


def _sides(images: Sequence[Image], labels: Sequence[str]) -> list[tuple[_Side, _Side]]:
    if not images:
        raise ValueError("no test image: nothing to compare")
    position = {label: at for at, label in enumerate(labels)}
    unknown = {box.label for true, _ in images for box in true} - set(position)
    if unknown:
        raise ValueError(f"boxes of labels that the model does not know: {sorted(unknown)[:5]}")
    return [
        (
            _side([box.box for box in true], [position[box.label] for box in true], [1.0] * len(true)),
            _side(
                [found.box for found in said if found.box is not None],
                [position[found.name] for found in said if found.box is not None],
                [as_told(found.score) for found in said if found.box is not None],
            ),
        )
        for true, said in images
    ]


def _side(boxes: Sequence[Rectangle], label: Sequence[int], scores: Sequence[float]) -> _Side:
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes]
    return _Side(np.array(corners, np.float64).reshape(-1, 4), np.array(label, np.int64), np.array(scores, np.float64))


def _evidence(sides: Sequence[tuple[_Side, _Side]], labels: int, overlap: float) -> list[Evidence]:
    """Of each label. Time goes with what is on the images, not with labels times images."""
    said: list[list[_Said]] = [[] for _ in range(labels)]
    truths = np.zeros((labels, len(sides)), np.int64)
    for at, (true, found) in enumerate(sides):
        np.add.at(truths[:, at], true.label, 1)
        for label in np.unique(found.label):
            mine = np.flatnonzero(found.label == label)
            mine = mine[np.argsort(-found.scores[mine], kind="stable")]
            taken = matched(found.corners[mine], true.corners[true.label == label], overlap)
            said[label].append((found.scores[mine], taken >= 0, np.full(len(mine), at, np.int64)))
    return [_gathered(each, counts) for each, counts in zip(said, truths, strict=True)]


def _gathered(said: Sequence[_Said], truths: npt.NDArray[np.int64]) -> Evidence:
    scores, hits, image = zip((np.empty(0), np.empty(0, bool), np.empty(0, np.int64)), *said, strict=True)
    return Evidence.ordered(np.concatenate(scores), np.concatenate(hits), np.concatenate(image), truths)


def matched(found: Floats, true: Floats, overlap: float = OVERLAP) -> npt.NDArray[np.int64]:
    """(n,): the true box that each found one takes, -1 for none. `found` surest first: each takes the free one that it
    overlaps most, if by at least `overlap`."""
    taken = np.full(len(found), -1, np.int64)
    if not len(found) or not len(true):
        return taken
    ratio = overlaps(found, true)
    for at in range(len(found)):
        best = int(ratio[at].argmax())
        if ratio[at, best] >= overlap:
            taken[at] = best
            ratio[:, best] = -1.0
    return taken


def _confusion(sides: Sequence[tuple[_Side, _Side]], thresholds: Floats) -> npt.NDArray[np.int64]:
    """(labels + 1, labels + 1) counts of boxes, whatever their labels matched by overlap; the last is "nothing"."""
    nothing = len(thresholds)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for true, said in sides:
        kept = np.flatnonzero(said.scores >= thresholds[said.label]) if len(said.label) else np.empty(0, np.int64)
        kept = kept[np.argsort(-said.scores[kept], kind="stable")]
        taken = matched(said.corners[kept], true.corners)
        for one, to in zip(kept, taken, strict=True):
            counts[true.label[to] if to >= 0 else nothing, said.label[one]] += 1
        for missed in np.setdiff1d(np.arange(len(true.label)), taken):
            counts[true.label[missed], nothing] += 1
    return counts
