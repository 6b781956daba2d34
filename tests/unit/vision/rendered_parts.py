"""Small rendered parts: a brushed plate with holes, some scratched, with masks."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from relook.vision.samples import DefectClass, MaskSource, Sample

SCRATCH = DefectClass("scratch", "#23A436")
WIDTH, HEIGHT = 176, 144


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def part(seed: int, scratched: bool) -> tuple[Image.Image, Image.Image]:
    """The picture and its mask (white background)."""
    rng = np.random.default_rng(seed)
    grain = np.repeat(rng.normal(150, 8, (HEIGHT, 1)), WIDTH, 1) + rng.normal(0, 4, (HEIGHT, WIDTH))
    image = Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).convert("RGB")
    mask = Image.new("RGB", image.size, "white")
    draw, marks = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    shift = rng.integers(-3, 4, 2)
    for x, y in ((40, 40), (136, 40), (40, 104), (136, 104)):
        x, y = x + int(shift[0]), y + int(shift[1])
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=(40, 40, 45))
    if scratched:
        x, y = int(rng.integers(50, 90)), int(rng.integers(50, 90))
        line = (x, y, x + int(rng.integers(20, 45)), y + int(rng.integers(-25, 25)))
        draw.line(line, fill=(235, 235, 240), width=4)
        marks.line(line, fill=SCRATCH.colour, width=6)
    return image, mask


@cache  # many tests of a module ask for the same ones, and grain makes for slow PNGs
def encoded(seed: int, scratched: bool) -> tuple[bytes, bytes]:
    """The files of the picture and of its mask."""
    image, mask = part(seed, scratched)
    return png(image), png(mask)


def sample(seed: int, scratched: bool, masked: bool = False) -> Sample:
    data, drawn = encoded(seed, scratched)
    source = MaskSource(lambda: drawn, {SCRATCH.colour: SCRATCH.name}) if masked and scratched else None
    return Sample(f"s3://parts/{seed}-{scratched}.png", lambda: data, scratched, source)


def samples(first: int, normals: int, anomalies: int, masked: bool = False) -> list[Sample]:
    plain = [sample(first + at, False) for at in range(normals)]
    return plain + [sample(first + 500 + at, True, masked) for at in range(anomalies)]


def ignore(stage: str, done: int, total: int) -> None:
    """A progress that nobody watches."""
