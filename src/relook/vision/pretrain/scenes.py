"""Pictures of things: fallen leaves, lit parts, boards, rows of equal items. Each maker gives (side, side, 3)."""

from __future__ import annotations

import string
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from relook.vision.pretrain.fields import Field, blur, coordinates, noise, standard
from relook.vision.pretrain.materials import Picture, colour, flat, material, relief, texture

Points = list[tuple[float, float]]


def leaves(rng: np.random.Generator, side: int) -> Picture:
    """Dead leaves (Lee, Mumford and Huang, 2001): shapes of power-law size over one another, each with a surface."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(250))))
    sheet = Image.new("I", (side, side), 0)
    pen = ImageDraw.Draw(sheet)
    smallest = rng.uniform(0.008, 0.05)
    radius = np.minimum(smallest / np.sqrt(1 - rng.random(count) * 0.998), 0.45) * side
    for label in range(1, count + 1):
        shape(rng, pen, rng.random(2) * side, float(radius[label - 1]), label)
    labels = np.asarray(sheet)
    surfaces = np.stack([material(rng, side) for _ in range(3)])
    which = rng.integers(0, 3, count + 1)
    colours = np.stack([colour(rng) for _ in range(count + 1)])
    share = rng.uniform(0, 1, count + 1).astype(np.float32) * float(rng.choice([0.2, 1.0]))
    rows, columns = np.mgrid[0:side, 0:side]
    picture: Picture = colours[labels] + share[labels][..., None] * (surfaces[which[labels], rows, columns] - 0.5)
    if rng.random() < 0.5:  # each shape lit from its own side
        x, y = coordinates(side)
        slope = rng.normal(0, 0.3, (2, count + 1)).astype(np.float32)
        picture = picture + (x * slope[0][labels] + y * slope[1][labels])[..., None]
    if rng.random() < 0.4:
        picture = picture * (1 - rng.uniform(0.2, 0.7) * edges(labels, rng.uniform(0.5, 3)))[..., None]
    return picture


def edges(labels: npt.NDArray[np.int32], width: float) -> Field:
    """0..1, high along the borders between labels."""
    border = (labels != np.roll(labels, 1, 0)) | (labels != np.roll(labels, 1, 1))
    soft = blur(border.astype(np.float32), width)
    raised: Field = np.clip(soft * (1.5 * width + 1), 0, 1)
    return raised


def shape(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, centre: npt.NDArray[np.float64], r: float, fill: int
) -> None:
    """An ellipse, a box, a polygon, a star, a ring, a bar or a blob about `centre` of radius `r` pixels."""
    kind = rng.integers(7)
    x, y = float(centre[0]), float(centre[1])
    if kind == 0:
        ratio = rng.uniform(0.4, 1)
        pen.ellipse((x - r, y - r * ratio, x + r, y + r * ratio), fill=fill)
    elif kind == 1:
        pen.polygon(box(rng, x, y, r, r * rng.uniform(0.2, 1)), fill=fill)
    elif kind == 2:
        pen.regular_polygon((x, y, max(r, 1.0)), int(rng.integers(3, 9)), float(rng.uniform(0, 360)), fill=fill)
    elif kind == 3:
        pen.polygon(blob(rng, x, y, r, 0.9, int(rng.integers(8, 24))), fill=fill)
    elif kind == 4:
        pen.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=max(1, int(r * rng.uniform(0.1, 0.5))))
    elif kind == 5:
        pen.polygon(box(rng, x, y, 1.6 * r, r * rng.uniform(0.03, 0.2)), fill=fill)
    else:
        pen.polygon(blob(rng, x, y, r, 0.35, 40), fill=fill)


def box(rng: np.random.Generator, x: float, y: float, a: float, b: float) -> Points:
    angle = rng.choice([0.0, rng.uniform(0, np.pi)])
    c, s = np.cos(angle), np.sin(angle)
    return [(x + c * p * a - s * q * b, y + s * p * a + c * q * b) for p, q in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def blob(rng: np.random.Generator, x: float, y: float, r: float, rough: float, corners: int) -> Points:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    wobble = np.convolve(np.tile(rng.uniform(1 - rough, 1, corners), 3), np.ones(3) / 3, "same")[corners : 2 * corners]
    return list(zip(x + r * wobble * np.cos(angle), y + r * wobble * np.sin(angle), strict=True))


def parts(rng: np.random.Generator, side: int) -> Picture:
    """Solid things lit from one side: a height from rounded shapes and a relief, its normals, Lambert and gloss."""
    sheet = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(sheet)
    few = rng.random() < 0.5
    for _ in range(int(rng.integers(1, 4) if few else rng.integers(4, 40))):
        place = side / 2 + rng.normal(0, side * (0.1 if few else 0.3), 2)
        shape(
            rng,
            pen,
            place,
            side * rng.uniform(0.15, 0.45) if few else side * rng.uniform(0.02, 0.15),
            int(rng.integers(60, 256)),
        )
    solid = np.asarray(sheet).astype(np.float32) / 255
    height = 12 * blur(solid, rng.uniform(1, 3)) + 20 * blur(solid, rng.uniform(4, 16))
    height = height + rng.choice([0.0, 0.3, 1.5]) * relief(rng, side)
    lit = shade(rng, height, gloss=rng.uniform(0, 0.9))
    surface = np.where(solid[..., None] > 0, material(rng, side), material(rng, side))
    ground = 1 - rng.uniform(0, 0.5) * np.clip(blur(np.roll(solid, rng.integers(-9, 10, 2), (0, 1)), 6) - solid, 0, 1)
    picture: Picture = surface * (lit * ground)[..., None]
    return picture


def shade(rng: np.random.Generator, height: Field, gloss: float) -> Field:
    """Lambert's and Blinn's light on a height field in pixels; about 0..1.5."""
    dy, dx = np.gradient(height)
    normal = np.stack([-dx, -dy, np.ones_like(dx)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    angle, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.2)
    light = np.array([np.cos(angle) * np.cos(lift), np.sin(angle) * np.cos(lift), np.sin(lift)], np.float32)
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    flash = np.clip(normal @ half, 0, 1) ** rng.uniform(8, 80)
    lit: Field = (0.35 + 0.75 * np.clip(normal @ light, 0, 1) + gloss * flash).astype(np.float32)
    return lit


def board(rng: np.random.Generator, side: int) -> Picture:
    """Tracks, pads, holes, chips with pins, marks and text on a coloured ground."""
    base = colour(rng)
    inks = [
        tuple(int(255 * value) for value in np.clip(ink, 0, 1)) for ink in (base, base + 0.12, colour(rng), colour(rng))
    ]
    sheet = Image.new("RGB", (side, side), inks[0])
    pen = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(5, 40))):
        track(rng, pen, side, inks[1])
    for _ in range(int(rng.integers(2, 16))):
        pads(rng, pen, side, inks[2], inks[3])
    for _ in range(int(rng.integers(0, 7))):
        chip(rng, pen, side)
    for _ in range(int(rng.integers(0, 10))):
        write(rng, pen, side)
    picture = np.asarray(sheet).astype(np.float32) / 255
    if rng.random() < 0.6:
        picture = picture * shade(rng, 4 * blur(picture.mean(-1), 1.0), rng.uniform(0, 0.5))[..., None]
    return picture + rng.uniform(0, 0.08) * noise(rng, side)[..., None]


def track(rng: np.random.Generator, pen: ImageDraw.ImageDraw, side: int, ink: tuple[int, ...]) -> None:
    at = rng.random(2) * side
    line = [tuple(at)]
    for _ in range(int(rng.integers(2, 6))):
        angle = rng.integers(8) * np.pi / 4
        at = at + rng.uniform(0.05, 0.4) * side * np.array([np.cos(angle), np.sin(angle)])
        line.append(tuple(at))
    pen.line(line, fill=ink, width=int(rng.integers(1, max(2, side // 60))), joint="curve")


def pads(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, side: int, ink: tuple[int, ...], hole: tuple[int, ...]
) -> None:
    """A row or a block of equal pads."""
    r, gap = rng.uniform(0.006, 0.03) * side, rng.uniform(2.2, 4)
    x, y = rng.random(2) * side
    drilled, square = rng.random() < 0.5, rng.random() < 0.4
    for row in range(int(rng.integers(1, 4))):
        for column in range(int(rng.integers(1, 12))):
            cx, cy = x + column * gap * r, y + row * gap * r
            (pen.rectangle if square else pen.ellipse)((cx - r, cy - r, cx + r, cy + r), fill=ink)
            if drilled:
                pen.ellipse((cx - r / 2, cy - r / 2, cx + r / 2, cy + r / 2), fill=hole)


def chip(rng: np.random.Generator, pen: ImageDraw.ImageDraw, side: int) -> None:
    x, y = rng.random(2) * side
    w, h = rng.uniform(0.04, 0.25, 2) * side
    pins, pin = int(rng.integers(2, 14)), tuple(int(v) for v in rng.integers(120, 230, 3))
    for at in range(pins):
        px = x + (at + 0.5) * w / pins
        pen.rectangle((px - w / pins / 5, y - 0.2 * h, px + w / pins / 5, y + 1.2 * h), fill=pin)
    body = tuple(int(v) for v in rng.integers(10, 90) + rng.integers(0, 20, 3))
    pen.rectangle((x, y, x + w, y + h), fill=body)
    pen.text(
        (x + w * 0.1, y + h * 0.3), letters(rng), fill=(200, 200, 200), font=ImageFont.load_default(max(6, h * 0.3))
    )


def letters(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(string.ascii_letters + string.digits), int(rng.integers(1, 9))))


def write(rng: np.random.Generator, pen: ImageDraw.ImageDraw, side: int) -> None:
    ink = tuple(int(255 * value) for value in colour(rng))
    x, y = (rng.random(2) * side).tolist()
    pen.text((x, y), letters(rng), fill=ink, font=ImageFont.load_default(float(rng.uniform(0.03, 0.2) * side)))


def rows(rng: np.random.Generator, side: int) -> Picture:
    """Equal items side by side: a smaller scene repeated, each a little different in light."""
    count = int(rng.integers(2, 7))
    small = -(-side // count)
    item = SMALL[rng.integers(len(SMALL))](rng, max(48, small))[:small, :small]
    light = 1 + rng.choice([0.0, 0.1]) * rng.normal(0, 1, (count, count))
    tiled = np.tile(item, (count, count, 1))[:side, :side]
    picture: Picture = tiled * np.kron(light, np.ones((small, small)))[:side, :side, None].astype(np.float32)
    return picture


def turned(rng: np.random.Generator, side: int) -> Picture:
    """Things with an axis: caps, nuts, bearings, bottle mouths: a profile over the radius, notched over the angle."""
    x, y = coordinates(side)
    x, y = x - rng.normal(0, 0.1), y - rng.normal(0, 0.1)
    radius, angle = np.hypot(x, y * rng.uniform(0.8, 1.2)), np.arctan2(y, x)
    teeth = int(rng.integers(0, 40))
    radius = radius * (1 + rng.uniform(0, 0.12) * np.sign(np.sin(teeth * angle)))
    profile = np.interp(radius, np.linspace(0, 1.5, 24), np.repeat(rng.normal(0, 14, 12), 2)).astype(np.float32)
    outside = radius > rng.uniform(0.5, 1.0)
    height = np.where(outside, 0, profile).astype(np.float32)
    surface = np.where(outside[..., None], material(rng, side), material(rng, side))
    lit = shade(rng, blur(height, rng.uniform(0.8, 3)), rng.uniform(0, 0.9))
    picture: Picture = surface * lit[..., None]
    return picture


def lit_surface(rng: np.random.Generator, side: int) -> Picture:
    """A rough surface under a slanting light: cast metal, leather, concrete, cloth."""
    picture: Picture = (
        material(rng, side) * shade(rng, rng.uniform(0.5, 6) * relief(rng, side), rng.uniform(0, 0.6))[..., None]
    )
    return picture


def layered(rng: np.random.Generator, side: int) -> Picture:
    """One scene seen through a ragged opening in another."""
    opening = (standard(noise(rng, side, 1.8)) > rng.normal(0, 0.7))[..., None]
    return np.where(opening, SMALL[rng.integers(len(SMALL))](rng, side), texture(rng, side)).astype(np.float32)


Maker = Callable[[np.random.Generator, int], Picture]
SMALL: tuple[Maker, ...] = (leaves, parts, board, turned, lit_surface, texture, flat)
SCENES: tuple[Maker, ...] = (leaves, leaves, parts, parts, board, rows, turned, lit_surface, texture, layered)
"""Drawn from evenly: those named twice are twice as frequent."""
