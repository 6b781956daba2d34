"""Drawn pictures with boxes: dark discs and bright squares on a noisy ground, where they are known exactly."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle

LABELS = ("disc", "square")


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


def pictures(first: int, count: int) -> list[LabelledImage]:
    return [picture(seed) for seed in range(first, first + count)]
