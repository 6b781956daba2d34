"""Training images at the working size, decoded once as far as memory goes, with their boxes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.detect.geometry import Boxes, fit, working_size
from relook.vision.images import Pixels, Size, load_upright, upright_size
from relook.vision.labelled import LabelledImage, Rectangle
from relook.vision.samples import ImageError, Progress, TrainingError

CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Picture:
    """`pixels` (h, w, 3), no larger than the working size; `boxes` in them, `labels` (n,) their positions."""

    pixels: Pixels
    boxes: Boxes
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Look:
    """What the headers and labels of all images say. `data_sha256` covers keys, bytes, boxes and labels, in order."""

    size: Size
    data_sha256: str
    notes: tuple[str, ...]


def look(training: Sequence[LabelledImage], test: Sequence[LabelledImage], progress: Progress) -> Look:
    """Hash everything and choose the working size. TrainingError names an image that cannot be used."""
    digest, sizes, seen = hashlib.sha256(), [], Counter[bytes]()
    leaked = 0
    everything = [*training, *test]
    for at, image in enumerate(everything):
        data = image.load()
        try:
            sizes.append(upright_size(data))
        except ImageError as error:
            raise TrainingError(f"{image.key}: {error}") from error
        content = hashlib.sha256(data).digest()
        leaked += at >= len(training) and content in seen
        seen[content] += at < len(training)
        for part in (image.key.encode(), content, repr(image.boxes).encode()):
            digest.update(hashlib.sha256(part).digest())
        progress("decode", at + 1, len(everything))
    boxes = [
        (each.label, size, float(np.sqrt(each.box.width * each.box.height)))
        for image, size in zip(training, sizes, strict=False)
        for each in image.boxes
    ]
    return Look(working_size(sizes[: len(training)], boxes), digest.hexdigest(), _remarks(seen, leaked, training))


class Pictures:
    """Of images with `labels`; by position. The first ones are kept in memory, up to CACHE_BYTES."""

    def __init__(self, images: Sequence[LabelledImage], labels: Sequence[str], size: Size) -> None:
        self._images = images
        self._position = {label: at for at, label in enumerate(labels)}
        self.size = size
        self._kept: dict[int, Picture] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, at: int) -> Picture:
        """Raises TrainingError for an image that is damaged."""
        found = self._kept.get(at)
        if found is None:
            found = self._read(self._images[at])
            if self._bytes + found.pixels.nbytes <= CACHE_BYTES:
                self._kept[at] = found
                self._bytes += found.pixels.nbytes
        return found

    def _read(self, image: LabelledImage) -> Picture:
        try:
            loaded = load_upright(image.load())
        except ImageError as error:
            raise TrainingError(f"{image.key}: {error}") from error
        fitted = fit(loaded.pixels, loaded.size, self.size)
        boxes = np.array([_corners(each.box) for each in image.boxes], np.float32).reshape(-1, 4)
        boxes *= np.array([fitted.x, fitted.y] * 2, np.float32)
        height, width = fitted.pixels.shape[:2]
        boxes = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
        labels = np.array([self._position[each.label] for each in image.boxes], np.int64)
        whole = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) > 0
        return Picture(np.ascontiguousarray(fitted.pixels), boxes[whole], labels[whole])


def _corners(box: Rectangle) -> tuple[float, float, float, float]:
    return box.left, box.top, box.left + box.width, box.top + box.height


def _remarks(seen: Counter[bytes], leaked: int, training: Sequence[LabelledImage]) -> tuple[str, ...]:
    notes = []
    twice = sum(count - 1 for count in seen.values() if count > 1)
    if twice:
        notes.append(f"{twice} training images are there more than once, byte for byte.")
    if leaked:
        notes.append(f"{leaked} test images are training images, too: the figures are better than they should be.")
    empty = sum(not image.boxes for image in training)
    if empty:
        notes.append(f"{empty} training images have no box; the model learns from them what not to find.")
    return tuple(notes)
