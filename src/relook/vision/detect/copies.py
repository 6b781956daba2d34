"""The same picture more than once among training and test images: byte for byte, or encoded anew.

Pictures of one kind of product may look alike and still differ in what is to be found on them, so a pair that is not
the same byte for byte counts only where its boxes say so, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from relook.vision.check.duplicates import Look, alike
from relook.vision.check.facts import THUMB
from relook.vision.evaluation.detection import overlaps
from relook.vision.images import Pixels, Size
from relook.vision.labelled import LabelledImage
from relook.vision.naming import listed

Groups = Sequence[Sequence[int]]
"""Sets of positions, in order, at which the same picture is."""

SAME_BOX = 0.5
"""Intersection over union, in shares of the image, from which two boxes of a label are one."""
SAME_PART = 0.5
"""Of all boxes of two pictures, so many must be on both; people do not draw all of them twice."""
_MOST_COMPARED = 20
"""Different pictures of a set that look alike, which one more is held against: the time stays linear."""


def look_of(data: bytes, pixels: Pixels) -> Look:
    """What is kept of an image: 8 kilobytes."""
    grey = Image.fromarray(pixels).convert("L").convert("F")
    thumb = np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.BOX)).astype(np.float16)
    return Look(hashlib.sha256(data).digest(), thumb)


def found(images: Sequence[LabelledImage], sizes: Sequence[Size], looks: Sequence[Look]) -> Groups:
    """`sizes` are the upright images'."""
    return [part for group in alike(looks) for part in _agreeing(group, images, sizes, looks) if len(part) > 1]


def firsts(groups: Groups, training: int) -> npt.NDArray[np.int64]:
    """(training images,): the position of the first copy, an image's own where there is no other."""
    first = np.arange(training)
    for group in groups:
        inside = [at for at in group if at < training]
        first[inside] = inside[:1]
    return first


def leaked(groups: Groups, training: int) -> list[int]:
    """Positions of test images that are in training, too."""
    return sorted(at for group in groups if group[0] < training for at in group if at >= training)


def warnings(images: Sequence[LabelledImage], groups: Groups, training: int) -> Iterator[str]:
    """Leakage, which makes the figures doubtful."""
    keys = [images[at].key for at in leaked(groups, training)]
    if keys:
        count = "1 test image is" if len(keys) == 1 else f"{len(keys)} test images are"
        yield (
            f"{count} in training, too, as copies: the figures of the test will be too good; take such images out of "
            f"one of the two ({listed(keys)})."
        )


def notes(images: Sequence[LabelledImage], groups: Groups, training: int) -> Iterator[str]:
    """Copies within training."""
    repeated = [inside for group in groups if len(inside := [at for at in group if at < training]) > 1]
    if repeated:
        keys = [images[at].key for inside in repeated for at in inside]
        pictures = "one picture" if len(repeated) == 1 else f"{len(repeated)} pictures"
        yield f"{len(keys)} training images are copies of {pictures}; they count several times ({listed(keys)})."


def _agreeing(
    group: Sequence[int], images: Sequence[LabelledImage], sizes: Sequence[Size], looks: Sequence[Look]
) -> list[list[int]]:
    """The group in parts: of each, boxes or bytes agree with those of the first."""
    parts: list[list[int]] = []
    by_bytes: dict[bytes, list[int]] = {}
    for at in group:
        part = by_bytes.get(looks[at].sha256)
        if part is None:
            mine = _corners(images[at], sizes[at])
            near = parts[:_MOST_COMPARED]
            part = next((each for each in near if _same(_corners(images[each[0]], sizes[each[0]]), mine)), None)
        if part is None:
            parts.append(part := [])
        part.append(at)
        by_bytes[looks[at].sha256] = part
    return parts


def _corners(image: LabelledImage, size: Size) -> dict[str, npt.NDArray[np.float64]]:
    """Of each label (n, 4): left, top, right, bottom in shares of the image."""
    by_label: dict[str, list[tuple[float, float, float, float]]] = {}
    for each in image.boxes:
        box = each.box
        right, bottom = box.left + box.width, box.top + box.height
        by_label.setdefault(each.label, []).append((box.left, box.top, right, bottom))
    whole = np.array([size.width, size.height] * 2, np.float64)
    return {label: np.array(boxes, np.float64) / whole for label, boxes in by_label.items()}


def _same(one: dict[str, npt.NDArray[np.float64]], other: dict[str, npt.NDArray[np.float64]]) -> bool:
    """Whether most boxes of the two are on both, or neither has any."""
    count = sum(len(boxes) for each in (one, other) for boxes in each.values())
    both = 0
    for label in one.keys() & other.keys():
        hits = overlaps(one[label], other[label]) >= SAME_BOX
        both += int(hits.any(0).sum() + hits.any(1).sum())
    return both >= SAME_PART * count
