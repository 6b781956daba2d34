"""What training sees in place of the images: four at a time, at other scales, mirrored, in other light.

Everything depends on nothing but the generator that is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.detect.geometry import GREY, SMALLEST_BOX, Boxes
from relook.vision.detect.pictures import Picture
from relook.vision.images import Pixels, Size, resize

KEPT_PART = 0.3
"""A box of which less is left in the cut-out is no example of its label."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`scale` is how much larger or smaller, at most, as a factor; `light` the deviation of a channel's gain."""

    mosaic: bool
    scale: float = 1.5
    light: float = 0.12
    mirror: bool = True
    upside_down: bool = True


def drawn(pictures: Sequence[Picture], size: Size, recipe: Recipe, rng: np.random.Generator) -> Picture:
    """One picture of `size`, from four with `recipe.mosaic`, else from the first."""
    canvas = np.full((size.height, size.width, 3), GREY, np.uint8)
    if recipe.mosaic:
        x = int(size.width * rng.uniform(0.3, 0.7))
        y = int(size.height * rng.uniform(0.3, 0.7))
        areas = [(0, 0, x, y), (x, 0, size.width, y), (0, y, x, size.height), (x, y, size.width, size.height)]
    else:
        areas = [(0, 0, size.width, size.height)]
    boxes, labels = [], []
    for picture, area in zip(pictures, areas, strict=False):
        scale = float(np.exp(rng.uniform(-1, 1) * np.log(recipe.scale)))
        found, kept = _pasted(canvas, area, picture, scale, rng)
        boxes.append(found)
        labels.append(picture.labels[kept])
    whole = Picture(canvas, np.concatenate(boxes), np.concatenate(labels))
    return _lit(_mirrored(whole, recipe, rng), recipe, rng)


def _pasted(
    canvas: Pixels, area: tuple[int, int, int, int], picture: Picture, scale: float, rng: np.random.Generator
) -> tuple[Boxes, npt.NDArray[np.int64]]:
    """A random part of the picture, at that scale, into the area; its boxes there, and which of them they are."""
    left, top, right, bottom = area
    height, width = (max(8, round(side * scale)) for side in picture.pixels.shape[:2])
    x, y = _offset(right - left, width, rng), _offset(bottom - top, height, rng)
    pixels = resize(picture.pixels, Size(height, width))
    shown = pixels[max(0, -y) : bottom - top - y, max(0, -x) : right - left - x]
    canvas[top + max(0, y) :, left + max(0, x) :][: shown.shape[0], : shown.shape[1]] = shown
    factor = np.array([width / picture.pixels.shape[1], height / picture.pixels.shape[0]] * 2, np.float32)
    boxes = picture.boxes * factor + np.array([left + x, top + y] * 2, np.float32)
    cut = np.clip(boxes, np.array([left, top] * 2, np.float32), np.array([right, bottom] * 2, np.float32))
    sides, before = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    enough = sides.prod(1) >= KEPT_PART * before.prod(1)
    kept = np.flatnonzero(enough & (sides.min(1, initial=np.inf) >= SMALLEST_BOX))
    return cut[kept], kept


def _offset(room: int, length: int, rng: np.random.Generator) -> int:
    """Where the picture begins in the room: before it where the picture is longer, so that the room is filled."""
    low, high = min(0, room - length), max(0, room - length)
    return int(rng.integers(low, high + 1))


def _mirrored(picture: Picture, recipe: Recipe, rng: np.random.Generator) -> Picture:
    pixels, boxes = picture.pixels, picture.boxes
    height, width = pixels.shape[:2]
    if recipe.mirror and rng.random() < 0.5:
        pixels = pixels[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    if recipe.upside_down and rng.random() < 0.5:
        pixels = pixels[::-1]
        boxes = np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], 1)
    return Picture(pixels, boxes, picture.labels)


def _lit(picture: Picture, recipe: Recipe, rng: np.random.Generator) -> Picture:
    """Every channel through a table of its own: a gain, a lift and a bend common to all, a gain of each."""
    levels = np.linspace(0, 1, 256)
    bend, lift = np.exp(rng.normal(0, 1.25 * recipe.light)), rng.normal(0, 0.4 * recipe.light)
    common = rng.normal(0, recipe.light)
    pixels = np.empty(picture.pixels.shape, np.uint8)
    for channel in range(3):
        gain = np.exp(common + rng.normal(0, 0.5 * recipe.light))
        table = np.clip(255 * (levels**bend * gain + lift), 0, 255).round().astype(np.uint8)
        np.take(table, picture.pixels[:, :, channel], out=pixels[:, :, channel], mode="clip")
    return Picture(pixels, picture.boxes, picture.labels)
