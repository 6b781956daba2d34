"""A machined plate, drawn: a height map in plate coordinates, lit by a lamp, with defects whose masks are exact.

Lengths are in pixels of the finished picture. Arrays are (height, width) float32 unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 320, 240
PLATE = (262.0, 178.0)
SCREWS = ((-108.0, -66.0), (108.0, -66.0), (-108.0, 66.0), (108.0, 66.0))
BORE = (-38.0, 2.0, 33.0)
HOLES = ((26.0, -46.0), (26.0, 48.0))
SLOT = (62.0, 0.0, 30.0, 8.5)
SCREW_RADIUS, SEAT_RADIUS, HOLE_RADIUS = 8.5, 12.0, 7.5
_OVER = 2
"""Drawn at twice the size and averaged down: edges come out smooth, masks exact."""

Plane = NDArray[np.float32]
Area = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stroke:
    """A scratch: a polyline in plate coordinates, its half width and depth."""

    points: tuple[tuple[float, float], ...]
    half_width: float
    depth: float


@dataclass(frozen=True, slots=True)
class Hollow:
    """A dent: an ellipse in plate coordinates with its radii, turn (radians) and depth."""

    x: float
    y: float
    radius: tuple[float, float]
    turn: float
    depth: float


@dataclass(frozen=True, slots=True)
class Part:
    """One plate as it lies under the lamp. Everything random has been decided already, but for grain and noise."""

    seed: int
    shift: tuple[float, float]
    turn: float
    lamp: float
    brightness: float
    screw_turns: tuple[float, float, float, float]
    serial: str
    scratches: tuple[Stroke, ...] = ()
    dents: tuple[Hollow, ...] = ()
    missing_screws: tuple[int, ...] = ()
    missing_holes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Canvas:
    """What is drawn on, in place: plate coordinates, height, how much is metal, how much light it gives back."""

    part: Part
    x: Plane
    y: Plane
    height: Plane
    metal: Plane
    shade: Plane
    open: Area
    defect: Area

    def around(self, x: float, y: float, radius: float) -> _Canvas:
        """The same canvas, but only the square about a place in plate coordinates (views, nothing is copied)."""
        cos, sin = np.cos(self.part.turn), np.sin(self.part.turn)
        column = (x * cos - y * sin + self.part.shift[0] + WIDTH / 2) * _OVER
        row = (y * cos + x * sin + self.part.shift[1] + HEIGHT / 2) * _OVER
        reach = radius * _OVER + 2
        window = (
            slice(max(0, int(row - reach)), max(0, int(row + reach) + 1)),
            slice(max(0, int(column - reach)), max(0, int(column + reach) + 1)),
        )
        planes = (self.x, self.y, self.height, self.metal, self.shade, self.open, self.defect)
        return _Canvas(self.part, *(plane[window] for plane in planes))  # type: ignore[arg-type]


def draw(part: Part) -> tuple[NDArray[np.uint8], Area]:
    """The picture, (HEIGHT, WIDTH, 3) uint8 RGB, and where it is defective, (HEIGHT, WIDTH) bool."""
    noise = np.random.default_rng(part.seed)
    canvas = _plate(part)
    _openings(canvas, part)
    _screws(canvas, part)
    _marking(canvas, part)
    for hollow in part.dents:
        _dent(canvas, hollow)
    for stroke in part.scratches:
        _scratch(canvas, stroke)
    picture = _lit(canvas, part, noise)
    small = picture.reshape(HEIGHT, _OVER, WIDTH, _OVER, 3).mean(axis=(1, 3))
    small += noise.normal(0.0, 2.2, (HEIGHT, WIDTH, 1)) + noise.normal(0.0, 1.0, (HEIGHT, WIDTH, 3))
    area = canvas.defect.reshape(HEIGHT, _OVER, WIDTH, _OVER).mean(axis=(1, 3)) >= 0.5
    return np.clip(small, 0, 255).astype(np.uint8), area


@cache
def _grid() -> tuple[Plane, Plane]:
    step = np.float32(1 / _OVER)
    y, x = np.mgrid[0 : HEIGHT * _OVER, 0 : WIDTH * _OVER].astype(np.float32) * step
    return x - WIDTH / 2 + step / 2, y - HEIGHT / 2 + step / 2


@cache
def _grain() -> tuple[Plane, Plane]:
    """Brushed metal (streaks along x) and a rough bench, each larger than a picture, to be cut from at random."""
    noise = np.random.default_rng(20)
    rows, columns = HEIGHT * _OVER + 64, WIDTH * _OVER + 64
    streaks = np.zeros((rows, columns))
    for length, weight in ((9, 0.5), (61, 1.0), (241, 1.2)):
        streaks += _blurred(noise.normal(0, 1, (rows, columns)), length) * weight
    bench = _blurred(_blurred(noise.normal(0, 1, (rows, columns)), 5).T, 5).T
    return (streaks / streaks.std()).astype(np.float32), (bench / bench.std()).astype(np.float32)


def _blurred(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """A running mean along the second axis, kept at unit variance."""
    padded = np.pad(values, ((0, 0), (length // 2 + 1, length // 2)), mode="wrap")
    sums = np.cumsum(padded, axis=1)
    blurred: NDArray[np.float64] = (sums[:, length:] - sums[:, :-length]) / np.sqrt(length)
    return blurred


def _soft(distance: Plane, width: float = 0.7) -> Plane:
    """1 inside (negative distance), 0 outside, with an edge `width` pixels wide."""
    inside: Plane = np.clip(0.5 - distance / (2 * width), 0.0, 1.0).astype(np.float32)
    return inside


def _box(x: Plane, y: Plane, half: tuple[float, float], corner: float) -> Plane:
    """Signed distance to a rounded rectangle."""
    dx, dy = np.abs(x) - (half[0] - corner), np.abs(y) - (half[1] - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return (outside + np.minimum(np.maximum(dx, dy), 0) - corner).astype(np.float32)


def _turned(x: Plane, y: Plane, angle: float) -> tuple[Plane, Plane]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def _plate(part: Part) -> _Canvas:
    grid_x, grid_y = _grid()
    x, y = _turned(grid_x - np.float32(part.shift[0]), grid_y - np.float32(part.shift[1]), part.turn)
    edge = _box(x, y, (PLATE[0] / 2, PLATE[1] / 2), 12.0)
    bevel = np.clip(1 + edge / 3.0, 0.0, 1.0) * (edge < 0)
    height = (-2.2 * bevel).astype(np.float32)
    return _Canvas(part, x, y, height, _soft(edge), np.ones_like(x), np.zeros(x.shape, bool), np.zeros(x.shape, bool))


def _openings(canvas: _Canvas, part: Part) -> None:
    _round_hole(canvas, *BORE)
    for index, (x, y) in enumerate(HOLES):
        if index in part.missing_holes:
            here = canvas.around(x, y, HOLE_RADIUS + 2)
            here.defect[np.hypot(here.x - x, here.y - y) < HOLE_RADIUS + 1.5] = True
        else:
            _round_hole(canvas, x, y, HOLE_RADIUS)
    x, y, half_length, half_width = SLOT
    here = canvas.around(x, y, half_length + 4)
    _opening(here, _box(here.x - np.float32(x), here.y - np.float32(y), (half_width, half_length), half_width))


def _round_hole(canvas: _Canvas, x: float, y: float, radius: float) -> None:
    here = canvas.around(x, y, radius + 4)
    _opening(here, (np.hypot(here.x - x, here.y - y) - radius).astype(np.float32))


def _opening(here: _Canvas, edge: Plane) -> None:
    """Cut a hole, given the distance to its edge, with a chamfer 2.5 pixels wide."""
    np.subtract(here.height, np.clip(1 - edge / 2.5, 0.0, 1.0) * (edge > 0) * 1.8, out=here.height, casting="same_kind")
    depth = np.clip(-edge / 9.0, 0.0, 1.0)
    _darken(here, _soft(edge) * (0.72 + 0.2 * depth))
    np.copyto(here.height, np.float32(-1.8), where=edge <= 0)
    np.copyto(here.open, True, where=edge <= 0)


def _darken(here: _Canvas, share: Plane) -> None:
    np.multiply(here.shade, 1 - share, out=here.shade, casting="same_kind")


def _screws(canvas: _Canvas, part: Part) -> None:
    for index, (x, y) in enumerate(SCREWS):
        here = canvas.around(x, y, SEAT_RADIUS + 3)
        near = np.hypot(here.x - x, here.y - y).astype(np.float32)
        np.subtract(here.height, np.clip((SEAT_RADIUS - near) / 1.5, 0.0, 1.0) * 1.4, out=here.height)
        _darken(here, 0.35 * _soft(np.abs(near - SEAT_RADIUS + 2.0) - 1.6, 1.2))
        if index in part.missing_screws:
            _round_hole(canvas, x, y, SCREW_RADIUS - 3.0)
            here.defect[near < SCREW_RADIUS + 1.0] = True
        else:
            _screw(here, near, (x, y), part.screw_turns[index])


def _screw(here: _Canvas, near: Plane, at: tuple[float, float], turn: float) -> None:
    """A domed head with a hexagon socket."""
    dome = np.sqrt(np.clip(1 - (near / SCREW_RADIUS) ** 2, 0.0, 1.0))
    np.add(here.height, 3.4 * np.minimum(dome, 0.75), out=here.height)
    _darken(here, 0.6 * _soft(np.abs(near - SCREW_RADIUS) - 0.6, 0.6))
    x, y = _turned(here.x - np.float32(at[0]), here.y - np.float32(at[1]), turn)
    x, y = np.abs(x), np.abs(y)
    socket = (np.maximum(x * np.float32(0.8660254) + y * 0.5, y) - 4.1).astype(np.float32)
    _darken(here, 0.78 * _soft(socket, 0.6))


def _marking(canvas: _Canvas, part: Part) -> None:
    """The type and serial number, engraved dark."""
    stamp = Image.new("L", (140, 40), 0)
    pen = ImageDraw.Draw(stamp)
    pen.text((2, 0), "RLK-20", font=ImageFont.load_default(20), fill=255)
    pen.text((3, 23), part.serial, font=ImageFont.load_default(13), fill=255)
    ink = np.asarray(stamp, np.float32) / 255
    here = canvas.around(2.0, 66.0, 42.0)
    column, row = (here.x + 30.0) * 1.9, (here.y - 56.0) * 1.9
    inside = (column >= 0) & (column < ink.shape[1] - 1) & (row >= 0) & (row < ink.shape[0] - 1)
    value = ink[np.clip(row, 0, ink.shape[0] - 1).astype(int), np.clip(column, 0, ink.shape[1] - 1).astype(int)]
    _darken(here, (0.55 * np.where(inside, value, 0)).astype(np.float32))


def _dent(canvas: _Canvas, hollow: Hollow) -> None:
    here = canvas.around(hollow.x, hollow.y, max(hollow.radius) * 2.2)
    x, y = _turned(here.x - np.float32(hollow.x), here.y - np.float32(hollow.y), hollow.turn)
    radius = np.hypot(x / hollow.radius[0], y / hollow.radius[1])
    bowl = np.exp(-((radius * 1.35) ** 4)) - 0.22 * np.exp(-(((radius - 1.15) / 0.22) ** 2))
    np.subtract(here.height, hollow.depth * bowl, out=here.height, casting="same_kind")
    _darken(here, 0.16 * np.exp(-((radius * 1.2) ** 4)))
    here.defect[(radius <= 1.1) & ~here.open] = True


def _scratch(canvas: _Canvas, stroke: Stroke) -> None:
    middle = stroke.points[len(stroke.points) // 2]
    reach = max(np.hypot(x - middle[0], y - middle[1]) for x, y in stroke.points)
    here = canvas.around(*middle, reach + 6)
    away = np.full(here.x.shape, np.inf, np.float32)
    for start, end in zip(stroke.points, stroke.points[1:], strict=False):
        away = np.minimum(away, _segment(here, start, end))
    metal = ~here.open
    groove = np.clip(1 - away / stroke.half_width, 0.0, 1.0) * metal
    burr = np.exp(-(((away - stroke.half_width * 1.5) / (stroke.half_width * 0.6)) ** 2)) * metal
    np.subtract(here.height, stroke.depth * groove - 0.35 * stroke.depth * burr, out=here.height, casting="same_kind")
    np.multiply(here.shade, 1 + 0.55 * groove, out=here.shade, casting="same_kind")
    here.defect[(away <= stroke.half_width * 2.2) & metal] = True


def _segment(canvas: _Canvas, start: tuple[float, float], end: tuple[float, float]) -> Plane:
    """Distance to a line segment."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((canvas.x - start[0]) * dx + (canvas.y - start[1]) * dy) / (dx * dx + dy * dy)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(canvas.x - start[0] - along * dx, canvas.y - start[1] - along * dy).astype(np.float32)


def _lit(canvas: _Canvas, part: Part, noise: np.random.Generator) -> Plane:
    """RGB of shape (height, width, 3), 0..255, at the drawing size."""
    streaks, rough = _grain()
    top, left = noise.integers(0, 64, 2)
    window = (slice(top, top + HEIGHT * _OVER), slice(left, left + WIDTH * _OVER))
    cos, sin = np.float32(np.cos(part.lamp)), np.float32(np.sin(part.lamp))
    slope_y, slope_x = np.gradient(canvas.height * _OVER)
    facing = np.clip(1.0 - (slope_x * cos + slope_y * sin) * np.float32(0.55), 0.25, 1.75)
    grid_x, grid_y = _grid()
    falloff = (1.0 - np.float32(0.12 / 160.0) * (grid_x * cos + grid_y * sin)) * np.float32(part.brightness)
    sheen = 26.0 * np.exp(-(((canvas.y + 40.0 * np.sin(part.lamp + part.turn * 6)) / 95.0) ** 2))
    metal = (148.0 + np.float32(5.5) * streaks[window] + sheen) * facing * canvas.shade * falloff * canvas.metal
    shadow = _soft(_box(canvas.x - cos * 5, canvas.y - sin * 5, (133.0, 91.0), 13.0), 5.0)
    bench = (46.0 + np.float32(2.4) * rough[window]) * (1 - np.float32(0.6) * shadow) * falloff * (1 - canvas.metal)
    tint, ground = np.array([0.985, 1.0, 1.02], np.float32), np.array([0.86, 1.0, 1.06], np.float32)
    lit: Plane = (metal.astype(np.float32)[..., None] * tint + bench.astype(np.float32)[..., None] * ground).astype(
        np.float32
    )
    return lit
