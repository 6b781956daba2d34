"""The same picture more than once among training and test images: byte for byte, or encoded anew.

Pictures of one kind of product may look alike and still differ in what is to be found on them, so a pair that is not
the same byte for byte counts only where its boxes say so, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relook.vision.check.duplicates import Look, among
from relook.vision.evaluation.detection import overlaps
from relook.vision.images import Size
from relook.vision.labelled import LabelledImage
from relook.vision.repeated import Groups

SAME_BOX = 0.5
"""Intersection over union, in shares of the image, from which two boxes of a label are one."""
SAME_PART = 0.5
"""Of all boxes of two pictures, so many must be on both; people do not draw all of them twice."""
_MOST_COMPARED = 20
"""Different pictures of a set that look alike, which one more is held against: the time stays linear."""


def found(images: Sequence[LabelledImage], sizes: Sequence[Size], looks: Sequence[Look]) -> Groups:
    """`sizes` are the upright images'."""
    groups = among(looks, turned=False).as_they_are()
    return [part for group in groups for part in _agreeing(group, images, sizes, looks) if len(part) > 1]


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
