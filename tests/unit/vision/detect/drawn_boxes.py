"""Drawn pictures with boxes: dark discs and bright squares on a noisy ground, where they are known exactly."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle

LABELS = ("disc", "square")
ARROW = np.array([(0, 0.35), (0.55, 0.35), (0.55, 0.1), (1, 0.5), (0.55, 0.9), (0.55, 0.65), (0, 0.65)])
LEFT, RIGHT = "pfeil l", "pfeil r"
"""Labels of arrows."""


def picture(seed: int, width: int = 128, height: int = 96, most: int = 4) -> LabelledImage:
    """One of many; every eighth has nothing on it."""
    rng = np.random.default_rng([seed, 77])
    ground = rng.normal(128, 12, (height, width, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    brush = ImageDraw.Draw(image)
    boxes: list[LabelledBox] = []
    for _ in range(0 if seed % 8 == 7 else int(rng.integers(1, most + 1))):
        side = int(rng.integers(14, 30))
        left, top = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        if any(abs(left - box.box.left) < 30 and abs(top - box.box.top) < 30 for box in boxes):
            continue
        corners = (left, top, left + side - 1, top + side - 1)
        label = LABELS[int(rng.integers(2))]
        if label == "disc":
            brush.ellipse(corners, fill=(40, 30, 60))
        else:
            brush.rectangle(corners, fill=(220, 230, 190))
        boxes.append(LabelledBox(label, Rectangle(left, top, side, side)))
    out = io.BytesIO()
    image.save(out, "PNG")
    data = out.getvalue()
    return LabelledImage(f"s3://bucket/{seed}.png", lambda: data, boxes=tuple(boxes))


def crowd(seed: int, count: int = 50, width: int = 320, height: int = 240) -> LabelledImage:
    """As many discs and squares of 8 to 12 pixels, at least 3 apart."""
    rng = np.random.default_rng([seed, 78])
    ground = rng.normal(128, 12, (height, width, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    brush = ImageDraw.Draw(image)
    places = [(x, y) for y in range(0, height - 15, 16) for x in range(0, width - 15, 16)]
    boxes: list[LabelledBox] = []
    for at in rng.permutation(len(places))[:count]:
        side = int(rng.integers(8, 13))
        left, top = (int(corner + rng.integers(0, 13 - side + 1)) for corner in places[at])
        label = LABELS[int(rng.integers(2))]
        draw, fill = (brush.ellipse, (40, 30, 60)) if label == "disc" else (brush.rectangle, (220, 230, 190))
        draw((left, top, left + side - 1, top + side - 1), fill=fill)
        boxes.append(LabelledBox(label, Rectangle(left, top, side, side)))
    out = io.BytesIO()
    image.save(out, "PNG")
    data = out.getvalue()
    return LabelledImage(f"s3://bucket/crowd-{seed}.png", lambda: data, boxes=tuple(boxes))


def pictures(first: int, count: int) -> list[LabelledImage]:
    return [picture(seed) for seed in range(first, first + count)]


def encoded_anew(image: LabelledImage, key: str, scale: float = 1.0) -> LabelledImage:
    """The same picture as a JPEG, perhaps at another size, its boxes with it."""
    pixels = Image.open(io.BytesIO(image.load()))
    out = io.BytesIO()
    resized = pixels.resize((round(scale * pixels.width), round(scale * pixels.height)), Image.Resampling.BICUBIC)
    resized.save(out, "JPEG", quality=80)
    boxes = tuple(replace(each, box=Rectangle(*(scale * side for side in _sides(each.box)))) for each in image.boxes)
    return LabelledImage(key, out.getvalue, boxes=boxes)


def _sides(box: Rectangle) -> tuple[float, float, float, float]:
    return box.left, box.top, box.width, box.height


def _thing(label: str, side: int, colour: tuple[int, int, int]) -> Image.Image:
    """An arrow or a letter on nothing."""
    layer = Image.new("RGBA", (side, side))
    brush = ImageDraw.Draw(layer)
    if label in (LEFT, RIGHT):
        points = ARROW if label == RIGHT else np.array([1, 0]) - ARROW * [1, -1]
        brush.polygon([(side * x, side * y) for x, y in points], fill=colour)
    else:
        font = ImageFont.load_default(size=side)
        brush.text((side / 2, side / 2), label, fill=colour, font=font, anchor="mm")
    return layer


def signs(labels: Sequence[str], count: int, seed: int, sign: Mapping[str, str] | None = None) -> list[LabelledImage]:
    """Pictures of two things each, in any colour on any ground; `sign` says what stands for a label."""
    rng = np.random.default_rng([seed, 79])
    made = []
    for number in range(count):
        ground = rng.integers(60, 200, 3) + rng.normal(0, 15, (12, 16, 3))
        picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8)).resize((240, 180), Image.Resampling.BICUBIC)
        boxes = []
        for place in range(2):
            label = labels[int(rng.integers(len(labels)))]
            side, left, top = int(rng.integers(28, 60)), int(rng.integers(120 * place, 120 * place + 50)), 60
            colour = tuple(int(each) for each in rng.integers(0, 256, 3))
            layer = _thing((sign or {}).get(label, label), side, (colour[0], colour[1], colour[2]))
            picture.paste(layer, (left, top), layer)
            boxes.append(LabelledBox(label, Rectangle(left, top, side, side)))
        out = io.BytesIO()
        picture.save(out, "PNG")
        data = out.getvalue()
        made.append(LabelledImage(f"s3://bucket/{number}.png", lambda data=data: data, boxes=tuple(boxes)))
    return made
