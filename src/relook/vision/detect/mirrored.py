"""Labels whose things look like each other in a mirror: an arrow to the left and one to the right, 6 and 9.

Each box is asked which box of another picture it is most like, as it lies and mirrored. Nothing here needs PyTorch.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from relook.vision.images import Loaded, Size, resize
from relook.vision.labelled import LabelledImage, Rectangle

SIDE = 16
"""Pixels of a thumbnail: enough to see which way a thing lies, and few enough to forgive a box drawn loosely."""
MOST = 2000
"""Boxes that are compared, spread over labels and pictures; their comparison takes about a second."""
FEWEST_OF_LABEL = 8
"""Of each label at least, whatever their number."""
EXCHANGED = 0.5
"""Of the boxes of either label, mirrored: so many are most like the other's, and at most half as many as they lie."""
CHANCE = 0.01
"""Of as many boxes changing sides if each did and did not with equal chance (McNemar's test, one-sided)."""
_SEED = 20_191_030


class Turn(Enum):
    """A picture mirrored left to right, upside down, or both, which turns it by half."""

    ACROSS = (1, -1)
    OVER = (-1, 1)
    HALF = (-1, -1)


Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """`pixels` (n, SIDE, SIDE); of `pictures` (n,), copies of one under one number; `labels` (n,) are their names."""

    pixels: npt.NDArray[np.float32]
    pictures: npt.NDArray[np.int64]
    labels: Sequence[str]

    def exchanged(self) -> dict[Turn, Pair]:
        """For each mirroring that makes labels look like each other the pair that it is clearest of."""
        if len(set(self.labels)) < 2:
            return {}
        names, label = np.unique(np.array(self.labels, object), return_inverse=True)
        upright = self._nearest(self.pixels, label)
        found = {}
        for turn in Turn:
            down, along = turn.value
            pair = _clearest(label, upright, self._nearest(self.pixels[:, ::down, ::along], label), len(names))
            if pair is not None:
                found[turn] = (str(names[pair[0]]), str(names[pair[1]]))
        return found

    def _nearest(self, asked: npt.NDArray[np.float32], label: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(n,) label of the box of another picture that each is most like; -1 where there is none.

        Like is what correlates in its greys, dark on bright as bright on dark: marks of any colour lie the same way.
        """
        known, shown = _normalised(self.pixels), _normalised(asked)
        likeness = np.abs(shown @ known.T)
        likeness[self.pictures[:, None] == self.pictures[None]] = -1
        nearest: npt.NDArray[np.int64] = np.where(likeness.max(1) >= 0, label[likeness.argmax(1)], -1)
        return nearest


class Collector:
    """Takes thumbnails of a sample of the boxes while pictures are read anyway."""

    def __init__(self, images: Sequence[LabelledImage]) -> None:
        self._images = images
        self._chosen = _sample(images)
        self._taken: list[tuple[int, str, npt.NDArray[np.float32]]] = []

    def add(self, at: int, loaded: Loaded) -> None:
        """The image at that position, read."""
        for number in self._chosen.get(at, ()):
            box = self._images[at].boxes[number]
            found = _thumbnail(loaded, box.box)
            if found is not None:
                self._taken.append((at, box.label, found))

    def thumbnails(self, copy_of: npt.NDArray[np.int64]) -> Thumbnails:
        """`copy_of` (images,) is the position of the first copy of each picture."""
        return Thumbnails(
            np.array([each for _, _, each in self._taken], np.float32).reshape(-1, SIDE, SIDE),
            copy_of[np.array([at for at, _, _ in self._taken], np.int64)],
            [label for _, label, _ in self._taken],
        )


def _sample(images: Sequence[LabelledImage]) -> Mapping[int, list[int]]:
    """By position of an image, which of its boxes: of each label as many, drawn at random."""
    by_label: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for at, image in enumerate(images):
        for number, box in enumerate(image.boxes):
            by_label[box.label].append((at, number))
    each = max(FEWEST_OF_LABEL, MOST // max(1, len(by_label)))
    rng = np.random.default_rng(_SEED)
    chosen: dict[int, list[int]] = defaultdict(list)
    for boxes in by_label.values():
        for one in np.sort(rng.permutation(len(boxes))[:each]):
            at, number = boxes[one]
            chosen[at].append(number)
    return chosen


def _thumbnail(loaded: Loaded, box: Rectangle) -> npt.NDArray[np.float32] | None:
    """(SIDE, SIDE) greys of the box; None where it has fewer than two pixels a side within the picture."""
    height, width = loaded.pixels.shape[:2]
    x, y = width / loaded.size.width, height / loaded.size.height
    left, top = max(0, math.floor(x * box.left)), max(0, math.floor(y * box.top))
    right, bottom = (
        min(width, math.ceil(x * (box.left + box.width))),
        min(height, math.ceil(y * (box.top + box.height))),
    )
    if right - left < 2 or bottom - top < 2:
        return None
    cut = np.ascontiguousarray(loaded.pixels[top:bottom, left:right])
    grey: npt.NDArray[np.float32] = resize(cut, Size(SIDE, SIDE)).mean(2, dtype=np.float32)
    return grey


def _normalised(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    flat = pixels.reshape(len(pixels), -1)
    flat = flat - flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    normalised: npt.NDArray[np.float32] = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return normalised


def _clearest(
    label: npt.NDArray[np.int64], upright: npt.NDArray[np.int64], mirrored: npt.NDArray[np.int64], labels: int
) -> tuple[int, int] | None:
    """The pair that is exchanged most, of those of which it is beyond chance."""
    total = np.bincount(label, minlength=labels)
    before, after = _answers(label, upright, labels), _answers(label, mirrored, labels)
    part = after / total[:, None]
    part = np.triu(np.minimum(part, part.T), 1)
    for flat in np.argsort(-part, axis=None, kind="stable"):
        one, other = np.unravel_index(flat, part.shape)
        if part[one, other] < EXCHANGED:
            return None
        if before[one, other] + before[other, one] > (after[one, other] + after[other, one]) / 2:
            continue
        opposite = np.select([label == one, label == other], [other, one], -2)
        changed, back = (
            int(np.count_nonzero((now == opposite) & (then != opposite)))
            for now, then in ((mirrored, upright), (upright, mirrored))
        )
        if _tail(changed, changed + back) <= CHANCE:
            return int(one), int(other)
    return None


def _answers(label: npt.NDArray[np.int64], answer: npt.NDArray[np.int64], labels: int) -> npt.NDArray[np.int64]:
    """(labels, labels) how often boxes of a label are most like one of another."""
    counts = np.zeros((labels, labels), np.int64)
    told = answer >= 0
    np.add.at(counts, (label[told], answer[told]), 1)
    np.fill_diagonal(counts, 0)
    return counts


def _tail(least: int, of: int) -> float:
    """The chance of at least so many heads of so many coins."""
    return sum(math.comb(of, heads) for heads in range(least, of + 1)) / (1 << of)
