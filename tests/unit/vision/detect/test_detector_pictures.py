"""Training images at the working size: decoded once as far as memory allows, the same whether kept or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_boxes import LABELS, pictures

from relook.vision.detect.pictures import Pictures, look
from relook.vision.images import Size
from relook.vision.labelled import LabelledImage, Rectangle

SIZE = Size(96, 96)  # smaller than the images' width


class Counted:
    """How often each image was loaded."""

    def __init__(self, images: list[LabelledImage]) -> None:
        self.loads = [0] * len(images)
        self.images = [replace(image, load=lambda at=at: self._load(at)) for at, image in enumerate(images)]
        self._inner = images

    def _load(self, at: int) -> bytes:
        self.loads[at] += 1
        return self._inner[at].load()


def test_images_are_decoded_once() -> None:
    counted = Counted(pictures(0, 4))
    seen = Pictures(counted.images, LABELS, SIZE)
    for _ in range(3):
        for at in range(4):
            assert seen[at].pixels.shape == (72, 96, 3)
    assert counted.loads == [1] * 4


def test_what_does_not_fit_into_memory_is_decoded_again_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Pictures(pictures(0, 4), LABELS, SIZE)
    monkeypatch.setattr("relook.vision.detect.pictures.CACHE_BYTES", 2 * 72 * 96 * 3)
    counted = Counted(pictures(0, 4))
    seen = Pictures(counted.images, LABELS, SIZE)
    for _ in range(3):
        for at in range(4):
            one = seen[at]
            assert np.array_equal(one.pixels, whole[at].pixels)
            assert np.array_equal(one.boxes, whole[at].boxes)
    assert counted.loads == [1, 1, 3, 3]


def test_boxes_are_scaled_cut_and_named() -> None:
    image = pictures(0, 1)[0]
    one = image.boxes[0]
    boxes = (
        replace(one, label="square", box=Rectangle(64, 48, 128, 24)),  # half of it outside
        replace(one, label="disc", box=Rectangle(130, 10, 20, 20)),  # all of it
    )
    seen = Pictures([replace(image, boxes=boxes)], LABELS, SIZE)[0]
    assert seen.boxes.tolist() == [[48, 36, 96, 54]]
    assert seen.labels.tolist() == [LABELS.index("square")]


def test_the_hash_covers_bytes_keys_and_boxes() -> None:
    images = pictures(0, 3)
    moved = replace(images[0].boxes[0], box=replace(images[0].boxes[0].box, left=1.0))
    others = [
        [images[1], images[0], images[2]],
        [replace(images[0], key="s3://bucket/other.png"), *images[1:]],
        [replace(images[0], boxes=(moved, *images[0].boxes[1:])), *images[1:]],
        [replace(images[0], load=images[2].load), *images[1:]],
    ]
    hashes = {look(each, [], lambda stage, done, of: None).data_sha256 for each in (images, *others)}
    assert len(hashes) == 5
    assert look(images, [], lambda stage, done, of: None).data_sha256 in hashes
