"""How an image comes into the size that a detector looks at, how its boxes follow, and which size that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.images import LARGEST_WORKING_SIDE, Pixels, Size, resize

Boxes = npt.NDArray[np.float32]
"""(n, 4) left, top, right, bottom in pixels."""

CELL = 32
SMALLEST_BOX = 2.0
"""Pixels: of a box that is shorter or narrower at the working size hardly anything is learned."""
GREY = 114
"""What is left over of the working size is filled with it."""
SMALLEST_LONG_SIDE = 320
WANTED_SIDE = 36
"""Pixels that the usual box of the smallest label shall have at the working size: most of what can be had from more is
noise, and the time goes up with the square."""
ENLARGED_SIDE = 24
"""Only boxes smaller than this make images be enlarged, by a half at most."""
AS_IT_IS = 0.85
"""From this part of the images' own size on, and up to its inverse, they are looked at as they are: resampling takes as
long as the network does for the pixels saved by it, and blurs."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """`pixels` (height, width, 3) shrunk or enlarged in their shape, at most the working size. A length in the image
    times `x` or `y` is one in them."""

    pixels: Pixels
    x: float
    y: float


def fit(pixels: Pixels, stored: Size, size: Size) -> Fitted:
    """`stored` is the size of the image that `pixels` show, perhaps shrunk already.

    For less than a CELL of room an image is not enlarged.
    """
    scale = min(size.height / stored.height, size.width / stored.width)
    if 1 < scale < 1 + CELL / max(stored.height, stored.width):
        scale = 1.0
    height = min(size.height, max(1, round(stored.height * scale)))
    width = min(size.width, max(1, round(stored.width * scale)))
    return Fitted(resize(pixels, Size(height, width)), width / stored.width, height / stored.height)


def place(pixels: Pixels, canvas: Pixels) -> None:
    """`pixels` at the top left of `canvas`, which is no smaller; the rest grey."""
    height, width = pixels.shape[:2]
    canvas[:height, :width] = pixels
    canvas[height:] = GREY
    canvas[:, width:] = GREY


def working_size(images: Sequence[Size], boxes: Sequence[tuple[str, Size, float]]) -> Size:
    """`images` are the training images' sizes; `boxes` each box's label, image size and side (the root of its area).

    The shape is the usual one of the images, the scale such that the usual box of the smallest label keeps WANTED_SIDE
    pixels, or the images' own where that is near (AS_IT_IS); images are enlarged only for boxes smaller than
    ENLARGED_SIDE. Sides are multiples of CELL.
    """
    shape = float(np.median([np.log(image.width / image.height) for image in images]))
    long = float(np.median([max(image.height, image.width) for image in images]))
    shares: dict[str, list[float]] = {}
    for label, image, side in boxes:
        shares.setdefault(label, []).append(side / max(image.height, image.width))
    smallest = min((float(np.median(found)) for found in shares.values()), default=1.0)
    smallest = max(smallest, 1e-6)
    most = max(long, min(1.5 * long, ENLARGED_SIDE / smallest))
    wanted = max(min(WANTED_SIDE / smallest, most, LARGEST_WORKING_SIDE), SMALLEST_LONG_SIDE)
    whole: Callable[[float], int] = _nearest
    if SMALLEST_LONG_SIDE <= long <= LARGEST_WORKING_SIDE and AS_IT_IS <= wanted / long <= 1 / AS_IT_IS:
        wanted, whole = long, _room_for
    sides = (wanted * min(1.0, np.exp(-shape)), wanted * min(1.0, np.exp(shape)))
    return Size(*(max(2 * CELL, CELL * whole(side / CELL)) for side in sides))


def _nearest(cells: float) -> int:
    """As `round`, but for rounding errors, which differ from CPU to CPU: no size must depend on them."""
    return round(round(cells, 6))


def _room_for(cells: float) -> int:
    """As many whole cells; what is more by rounding errors alone is not counted."""
    return math.ceil(cells - 1e-6)


def in_image(boxes: Boxes, fitted: tuple[float, float], image: Size) -> npt.NDArray[np.float64]:
    """Boxes at the working size, brought back to the image by its `x` and `y` and cut at its border."""
    scale = np.array([*fitted, *fitted], np.float64)
    most = np.array([image.width, image.height, image.width, image.height], np.float64)
    return np.clip(boxes.astype(np.float64) / scale, 0.0, most)
