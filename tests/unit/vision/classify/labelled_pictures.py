"""Small rendered pictures with labels: a shape on a textured ground, with a stripe or without."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from relook.vision.labelled import LabelledImage

SHAPES = ("ring", "square", "cross")
STRIPE = "stripe"
SIDE = 96
Ink = tuple[int, int, int]
INK, FAINT = (30, 30, 60), (114, 114, 116)


def picture(
    shape: str | None, seed: int, stripe: bool = False, size: tuple[int, int] = (SIDE, SIDE), ink: Ink = INK
) -> Image.Image:
    rng = np.random.default_rng([seed, 77])
    ground = rng.normal(120, 12, (size[1], size[0], 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    draw = ImageDraw.Draw(image)
    radius = min(size) // 5
    x, y = (int(rng.integers(radius + 4, side - radius - 4)) for side in size)
    if shape == "ring":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=ink, width=5)
    elif shape == "square":
        draw.rectangle((x - radius, y - radius, x + radius, y + radius), fill=ink)
    elif shape == "cross":
        draw.line((x - radius, y - radius, x + radius, y + radius), fill=ink, width=5)
        draw.line((x - radius, y + radius, x + radius, y - radius), fill=ink, width=5)
    if stripe:
        row = int(rng.integers(8, size[1] - 8))
        draw.line((0, row, size[0], row), fill=(230, 60, 60), width=6)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def in_all_modes(image: Image.Image) -> list[bytes]:
    """The same picture as files say it: grey, with a palette, in 16 bits, in inks, with an alpha, black and white."""
    return [
        encoded(image.convert("L")),
        encoded(image.quantize(16)),
        encoded(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)),
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(image.convert("RGBA")),
        encoded(image.convert("1")),
    ]


def labelled(key: str, data: bytes, *labels: str) -> LabelledImage:
    return LabelledImage(f"s3://set/{key}", lambda: data, labels)


def shapes(first: int, each: int, names: Sequence[str] = SHAPES, ink: Ink = INK) -> list[LabelledImage]:
    """`each` images of every shape; other values of `first` give other pictures."""
    return [
        labelled(f"{name}-{first + at}.png", encoded(picture(name, 1000 * place + first + at, ink=ink)), name)
        for place, name in enumerate(names)
        for at in range(each)
    ]


def striped(first: int, each: int) -> list[LabelledImage]:
    """`each` images of every set of the labels "ring" and STRIPE: neither, one, the other, both."""
    found = []
    for place, (shape, stripe) in enumerate([(None, False), ("ring", False), (None, True), ("ring", True)]):
        labels = [name for name, there in (("ring", shape is not None), (STRIPE, stripe)) if there]
        for at in range(each):
            data = encoded(picture(shape, 1000 * place + first + at, stripe))
            found.append(labelled(f"{place}-{first + at}.png", data, *labels))
    return found


def ignore(stage: str, done: int, total: int) -> None:
    """A progress that nobody watches."""
