"""Training images at the working size: decoded once as far as memory allows, the same whether kept or not."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from drawn_boxes import LABELS, pictures
from PIL import Image, ImageDraw

from relook.vision.detect.pictures import Pictures, look
from relook.vision.images import Size
from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle

SIZE = Size(96, 96)  # smaller than the images' width
HOW = Image.Transpose
TURNED_BACK = {
    2: HOW.FLIP_LEFT_RIGHT,
    3: HOW.ROTATE_180,
    4: HOW.FLIP_TOP_BOTTOM,
    5: HOW.TRANSPOSE,
    6: HOW.ROTATE_90,
    7: HOW.TRANSVERSE,
    8: HOW.ROTATE_270,
}
"""By EXIF orientation, what makes an upright picture the stored one."""


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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_lie_on_what_they_were_drawn_around_however_the_camera_was_held(orientation: int) -> None:
    """Two things at opposite corners of a long picture; their boxes are those of the upright one."""
    image = cornered(orientation)
    seen = look([image], [], lambda stage, done, of: None)
    assert seen.size.width > seen.size.height
    for size, scale in ((Size(160, 320), 1), (Size(320, 640), 2), (Size(320, 160), 0.5)):
        picture = Pictures([image], LABELS, size)[0]
        assert picture.pixels.shape == (160 * scale, 320 * scale, 3)
        assert picture.boxes.tolist() == [
            [scale * side for side in box] for box in ([16, 8, 80, 40], [240, 96, 304, 144])
        ]
        red, blue = (inside(picture.pixels, box) for box in picture.boxes)
        assert (red[..., 0] > 180).all()
        assert (red[..., 2] < 80).all()
        assert (blue[..., 2] > 180).all()
        assert (blue[..., 0] < 80).all()
        coloured = np.ptp(picture.pixels.astype(int), axis=2) > 100
        area = (picture.boxes[:, 2:] - picture.boxes[:, :2]).prod(1).sum()
        assert coloured.sum() == pytest.approx(area, rel=0.1)  # so nothing coloured lies outside them


def cornered(orientation: int) -> LabelledImage:
    """A JPEG with a red and a blue block, as a camera stores it that was held so."""
    upright = Image.new("RGB", (320, 160), (128, 128, 128))
    brush = ImageDraw.Draw(upright)
    brush.rectangle((16, 8, 79, 39), fill=(230, 20, 20))
    brush.rectangle((240, 96, 303, 143), fill=(20, 20, 230))
    stored = upright.transpose(TURNED_BACK[orientation]) if orientation in TURNED_BACK else upright
    told = Image.Exif()
    told[0x0112] = orientation
    out = io.BytesIO()
    stored.save(out, "JPEG", quality=95, subsampling=0, exif=told)
    boxes = (LabelledBox("disc", Rectangle(16, 8, 64, 32)), LabelledBox("square", Rectangle(240, 96, 64, 48)))
    return LabelledImage("s3://bucket/turned.jpg", out.getvalue, boxes=boxes)


def inside(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What the box holds, less a rim."""
    left, top, right, bottom = (round(float(side)) for side in box)
    return pixels[top + 3 : bottom - 3, left + 3 : right - 3]


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
