"""What training sees: boxes must lie where their objects went."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relook.vision.detect.augmenting import Recipe, drawn
from relook.vision.detect.geometry import GREY
from relook.vision.detect.pictures import Picture
from relook.vision.images import Size

SIZE = Size(160, 224)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)


def picture(label: int, height: int = 160, width: int = 224) -> Picture:
    """Grey, with one box of a colour that no other picture has; the box's label is its colour's position."""
    pixels = np.full((height, width, 3), GREY, np.uint8)
    pixels[40:90, 60:130] = COLOURS[label]
    return Picture(pixels, np.array([[60, 40, 130, 90]], np.float32), np.array([label]))


PICTURES = [picture(label) for label in range(4)]


def nearly(pixels: np.ndarray, label: int) -> np.ndarray:
    return np.abs(pixels.astype(int) - COLOURS[label]).max(2) < 100


def test_the_plain_recipe_changes_nothing() -> None:
    plain = Recipe(mosaic=False, scale=1.0, light=0.0, mirror=False, upside_down=False)
    room = np.random.default_rng(3).integers(0, 256, (160, 224, 3), np.uint8)
    seen = drawn([replace(PICTURES[0], pixels=room)], SIZE, plain, np.random.default_rng(1))
    assert np.array_equal(seen.pixels, room)


@pytest.mark.parametrize("mosaic", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_boxes_go_with_their_objects(mosaic: bool, seed: int) -> None:
    plain = Recipe(mosaic=mosaic, light=0.0)
    seen = drawn(PICTURES, SIZE, plain, np.random.default_rng(seed))
    assert seen.pixels.shape == (160, 224, 3)
    for box, label in zip(seen.boxes, seen.labels, strict=True):
        rows, columns = np.nonzero(nearly(seen.pixels, int(label)))
        bounds = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(np.array(bounds) - box).max() <= 2.5
    shown = {label for label in range(4) if nearly(seen.pixels, label).sum() > 2500}
    assert shown <= set(seen.labels.tolist())


def test_the_same_generator_gives_the_same_picture_and_another_another() -> None:
    one, again, other = (drawn(PICTURES, SIZE, Recipe(True), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.boxes, again.boxes)
    assert not np.array_equal(one.pixels, other.pixels)


def test_light_changes_pixels_and_no_boxes() -> None:
    still = {"mosaic": False, "scale": 1.0, "mirror": False, "upside_down": False}
    seen = drawn(PICTURES, SIZE, Recipe(**still), np.random.default_rng(3))
    assert np.array_equal(seen.boxes, PICTURES[0].boxes)
    assert not np.array_equal(seen.pixels, PICTURES[0].pixels)


def test_pictures_smaller_than_the_room_and_without_boxes_are_fine() -> None:
    empty = Picture(np.zeros((70, 64, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    seen = drawn([empty] * 4, SIZE, Recipe(True), np.random.default_rng(0))
    assert seen.boxes.shape == (0, 4)
    assert seen.labels.shape == (0,)


def test_mirroring_can_be_left_out() -> None:
    upright = Recipe(mosaic=False, scale=1.0, light=0.0, upside_down=False)
    tops = {drawn(PICTURES, SIZE, upright, np.random.default_rng(seed)).boxes[0, 1] for seed in range(12)}
    lefts = {drawn(PICTURES, SIZE, upright, np.random.default_rng(seed)).boxes[0, 0] for seed in range(12)}
    assert tops == {40.0}
    assert lefts == {60.0, 224.0 - 130.0}
    sided = replace(upright, mirror=False, upside_down=True)
    boxes = [drawn(PICTURES, SIZE, sided, np.random.default_rng(seed)).boxes[0] for seed in range(12)]
    assert {box[0] for box in boxes} == {60.0}
    assert {box[1] for box in boxes} == {40.0, 160.0 - 90.0}
