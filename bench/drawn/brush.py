"""What the drawn products are made of: noise, patches, strokes, light. All at UP times the picture's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Point = Sequence[float] | Array
Colour = Sequence[float] | Array

SIDE, UP = 400, 2
SIZE = SIDE * UP
MIDDLE = SIZE / 2
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float64)


@dataclass(slots=True)
class Scene:
    """`image` (SIZE, SIZE, 3) of 0..255, and where its defect lies."""

    image: Array
    defect: Mask

    @classmethod
    def of(cls, image: Array) -> Scene:
        return cls(image.astype(np.float64), np.zeros((SIZE, SIZE), bool))

    def paint(self, where: Mask, colour: Colour, soft: float = 1.5, strength: float = 1.0) -> None:
        """`colour` over `where`, which is the defect."""
        self.defect |= where
        self.image = blend(self.image, where, colour, soft, strength)


def noise(rng: np.random.Generator, sigma: float | tuple[float, float]) -> Array:
    """Of unit deviation."""
    field: Array = gaussian_filter(rng.standard_normal((SIZE, SIZE)), sigma, mode="wrap")
    return field / (float(field.std()) + 1e-9)


def grey(values: Array, tint: Colour = (1.0, 1.0, 1.0)) -> Array:
    """(SIZE, SIZE, 3) of grey values."""
    return values[..., None] * np.asarray(tint, np.float64)


def softened(mask: Mask, sigma: float) -> Array:
    """(SIZE, SIZE, 1) of 0..1."""
    found: Array = gaussian_filter(mask.astype(np.float64), sigma)[..., None]
    return found


def blend(image: Array, where: Mask, colour: Colour, soft: float = 1.5, strength: float = 1.0) -> Array:
    part = softened(where, soft) * strength
    return image * (1 - part) + np.asarray(colour, np.float64) * part


def anywhere(rng: np.random.Generator, low: float = 0.2, high: float = 0.8) -> Array:
    return rng.uniform(low, high, 2) * SIZE


def around(rng: np.random.Generator, radius: float) -> tuple[float, float]:
    """A point so far from the middle."""
    angle = rng.uniform(0, 2 * np.pi)
    return MIDDLE + radius * np.cos(angle), MIDDLE + radius * np.sin(angle)


def distance(at: Point) -> Array:
    return np.hypot(COLUMNS - at[0], ROWS - at[1])


def patch(rng: np.random.Generator, radius: float, at: Point, rough: float = 0.35) -> Mask:
    """An irregular blob."""
    angle = np.arctan2(ROWS - at[1], COLUMNS - at[0])
    edge = np.ones_like(angle)
    for waves in (1, 2, 3, 5):
        edge += rough / waves * rng.uniform(-1, 1) * np.cos(waves * angle + rng.uniform(0, 2 * np.pi))
    return np.asarray(distance(at) < radius * edge)


def line(points: Sequence[Point], width: float) -> Mask:
    picture = Image.new("L", (SIZE, SIZE))
    corners = [(float(point[0]), float(point[1])) for point in points]
    ImageDraw.Draw(picture).line(corners, fill=255, width=max(1, round(width * UP)), joint="curve")
    return np.asarray(picture) > 127


def stroke(
    rng: np.random.Generator, length: float, width: float, at: Point, bend: float = 0.5, heading: float | None = None
) -> Mask:
    """A bent line through `at`, whichever way unless `heading` says."""
    turn = rng.uniform(0, 2 * np.pi) if heading is None else heading
    bent = rng.uniform(-bend, bend)
    along = np.linspace(-0.5, 0.5, 30)
    aside = bent * along**2
    x = at[0] + length * (along * np.cos(turn) - aside * np.sin(turn))
    y = at[1] + length * (along * np.sin(turn) + aside * np.cos(turn))
    return line(list(np.stack([x, y], 1)), width)


def crack(rng: np.random.Generator, length: float, width: float, at: Point) -> Mask:
    heading, point = rng.uniform(0, 2 * np.pi), np.array(at, float)
    points = [point]
    for _ in range(14):
        heading += rng.normal(0, 0.45)
        point = point + length / 14 * np.array([np.cos(heading), np.sin(heading)])
        points.append(point)
    return line(points, width)


def polygon(points: Array) -> Mask:
    picture = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return np.asarray(picture) > 127


def text(words: str, at: Point, size: int) -> Mask:
    picture = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(picture).text((float(at[0]), float(at[1])), words, fill=255, font_size=size)
    return np.asarray(picture) > 127


def disc(image: Array, at: Point, radius: float, colour: Colour, strength: float = 1.0) -> None:
    """Painted onto `image`, in place."""
    left, right = (int(np.clip(at[0] + by, 0, SIZE)) for by in (-radius - 3, radius + 4))
    top, bottom = (int(np.clip(at[1] + by, 0, SIZE)) for by in (-radius - 3, radius + 4))
    window = np.s_[top:bottom, left:right]
    part = np.clip(radius + 0.5 - np.hypot(COLUMNS[window] - at[0], ROWS[window] - at[1]), 0, 1)[..., None] * strength
    image[window] = image[window] * (1 - part) + np.asarray(colour, np.float64) * part


def turned(scene: Scene, angle: float, shift: Array, backdrop: tuple[int, int, int]) -> Scene:
    """The scene turned and moved, `backdrop` around it."""
    move = (float(shift[0]), float(shift[1]))
    image = Image.fromarray(np.clip(scene.image, 0, 255).astype(np.uint8))
    image = image.rotate(np.degrees(angle), Image.Resampling.BICUBIC, translate=move, fillcolor=backdrop)
    mask = Image.fromarray((scene.defect * 255).astype(np.uint8))
    mask = mask.rotate(np.degrees(angle), Image.Resampling.BILINEAR, translate=move)
    return Scene(np.asarray(image).astype(np.float64), np.asarray(mask) > 127)


def photograph(rng: np.random.Generator, scene: Scene) -> tuple[npt.NDArray[np.uint8], Mask]:
    """(SIDE, SIDE, 3) under a lamp that differs a little from picture to picture, with a camera's noise; the mask."""
    down, across = ROWS / MIDDLE - 1, COLUMNS / MIDDLE - 1
    light = 1 + rng.normal(0, 0.05) + rng.normal(0, 0.05) * across + rng.normal(0, 0.05) * down
    image = scene.image * light[..., None] * (1 + rng.normal(0, 0.01, 3))
    small = image.reshape(SIDE, UP, SIDE, UP, 3).mean((1, 3)) + rng.normal(0, 3, (SIDE, SIDE, 3))
    mask = scene.defect.reshape(SIDE, UP, SIDE, UP).mean((1, 3)) > 0.3
    return np.clip(small, 0, 255).astype(np.uint8), mask
