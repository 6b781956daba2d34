"""Training images at the working size, decoded once as far as memory goes, with their boxes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision import repeated
from relook.vision.check import duplicates
from relook.vision.detect import copies, mirrored
from relook.vision.detect.geometry import SMALLEST_BOX, Boxes, fit, working_size
from relook.vision.images import Pixels, Size
from relook.vision.label_images import bytes_of, decoded
from relook.vision.labelled import LabelledImage, Rectangle
from relook.vision.naming import listed
from relook.vision.samples import Progress

CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Picture:
    """`pixels` (h, w, 3), no larger than the working size; `boxes` in them, `labels` (n,) their positions."""

    pixels: Pixels
    boxes: Boxes
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Look:
    """What all images and their labels say. `data_sha256` covers keys, bytes, boxes and labels, in order.

    `copy_of` (training images,) is the position of the first copy. `exchanged` are pairs of labels that look like each
    other in a mirror. `leaked` are keys of test images that are in training too. `warnings` are what makes the figures
    doubtful; `notes` the rest.
    """

    size: Size
    data_sha256: str
    copy_of: npt.NDArray[np.int64]
    exchanged: Mapping[mirrored.Turn, mirrored.Pair]
    leaked: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def look(training: Sequence[LabelledImage], test: Sequence[LabelledImage], progress: Progress) -> Look:
    """Decode every image once, choose the working size, find copies. TrainingError names an image that cannot be
    used."""
    digest = hashlib.sha256()
    looks, sizes = [], []
    everything = [*training, *test]
    thumbnails = mirrored.Collector(training)
    for at, image in enumerate(everything):
        data = bytes_of(image)
        loaded = decoded(image, data)
        sizes.append(loaded.size)
        if at < len(training):
            thumbnails.add(at, loaded)
        looks.append(duplicates.Look.of(data, loaded.pixels))
        for part in (image.key.encode(), looks[-1].sha256, repr(image.boxes).encode()):
            digest.update(hashlib.sha256(part).digest())
        progress("decode", at + 1, len(everything))
    boxes = [
        (each.label, size, float(np.sqrt(each.box.width * each.box.height)))
        for image, size in zip(training, sizes, strict=False)
        for each in image.boxes
    ]
    keys, count = [image.key for image in everything], len(training)
    groups = copies.found(everything, sizes, looks)
    size = working_size(sizes[:count], boxes)
    copy_of = repeated.firsts(groups, count)
    return Look(
        size=size,
        data_sha256=digest.hexdigest(),
        copy_of=copy_of,
        exchanged=thumbnails.thumbnails(copy_of).exchanged(),
        leaked=tuple(keys[at] for at in repeated.leaked(groups, count)),
        warnings=(*repeated.leakage(keys, groups, count), *_of_narrow(training, sizes, size)),
        notes=(*repeated.repetition(keys, groups, count), *_of_backgrounds(training)),
    )


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
        loaded = decoded(image)
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


def _of_narrow(training: Sequence[LabelledImage], sizes: Sequence[Size], size: Size) -> Iterator[str]:
    scales = [min(size.height / each.height, size.width / each.width) for each in sizes]
    sides = [
        (scale * min(each.box.width, each.box.height), image.key)
        for image, scale in zip(training, scales, strict=False)
        for each in image.boxes
    ]
    narrow = [key for side, key in sides if side < SMALLEST_BOX]
    if narrow:
        yield (
            f"{len(narrow)} of {len(sides)} training boxes are less than {SMALLEST_BOX:g} pixels wide or high where "
            f"images are looked at in {size.width}x{size.height} pixels, and hardly anything is learned from them "
            f"({listed(list(dict.fromkeys(narrow)))}): draw them larger, or cut the images into parts."
        )


def _of_backgrounds(training: Sequence[LabelledImage]) -> Iterator[str]:
    empty = sum(not image.boxes for image in training)
    if empty:
        yield f"{empty} training images have no box; the model learns from them what not to find."
