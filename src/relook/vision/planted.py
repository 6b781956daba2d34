"""Synthetic defects for when only normal images exist: scratches, stains, foreign patches, moved and missing pieces.

They teach a head and choose between candidates; no threshold is set by them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from relook.vision.images import LARGEST_FILE, SMALLEST_SIDE, Pixels, Size, decode, load, resize
from relook.vision.samples import DefectClass, MaskSource, Sample

PLANTED = DefectClass("planted", "#FF0000")
MOST = 40
"""Planted images; more of them teach little that is new."""
_VISIBLE = 12
"""Grey levels, of 255, by which a pixel must have changed to count as part of the defect."""

_FEWEST_PIXELS = 16
_LARGEST_PIXELS = LARGEST_FILE * 9 // 10
"""Bytes; a PNG of noise is hardly larger than its pixels."""

Mask = npt.NDArray[np.float32]
"""(height, width) in 0..1."""


class _Pair:
    """A normal image with a defect planted, made when it is first asked for."""

    def __init__(self, load: Callable[[], bytes], seed: Sequence[int]) -> None:
        self._load = load
        self._seed = seed

    @cached_property
    def files(self) -> tuple[bytes, bytes]:
        """PNGs of the image and of its mask."""
        rng = np.random.default_rng(self._seed)
        pixels = _acceptable(self._load())
        changed = pixels
        defect = np.zeros(pixels.shape[:2], bool)
        while defect.sum() < _FEWEST_PIXELS:
            mask = _shape(rng, pixels.shape[0], pixels.shape[1])
            changed = _filled(rng, pixels, mask)
            difference = np.abs(changed.astype(np.int16) - pixels).max(-1)
            defect = difference > _VISIBLE
        colours = np.full((*defect.shape, 3), 255, np.uint8)
        colours[defect] = (255, 0, 0)
        return _png(changed), _png(colours)


def _acceptable(data: bytes) -> Pixels:
    """Pixels of which the PNG is an image that may be used: a strip as large as it is, because half a narrow one would
    be too narrow; and shrunk so that the PNG cannot be too large, as that of a JPEG within the limit can. No more than
    that, or it would be blurred at the working size."""
    pixels = load(data).pixels
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        pixels = decode(data)
    scale = math.sqrt(_LARGEST_PIXELS / pixels.nbytes)
    if scale >= 1:
        return pixels
    height, width = (math.floor(side * scale) for side in pixels.shape[:2])
    return resize(pixels, Size(height, width))


def plant(sample: Sample, seed: int, at: int) -> Sample:
    """`sample`, a normal image, with a defect; `at` tells several of one seed apart. Kept once it is made."""
    pair = _Pair(sample.load, (seed, 12, at))
    mask = MaskSource(lambda: pair.files[1], {PLANTED.colour: PLANTED.name})
    return Sample(f"{sample.key} with a planted defect", lambda: pair.files[0], True, mask)


def _png(pixels: Pixels) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        return file.getvalue()


def _shape(rng: np.random.Generator, height: int, width: int) -> Mask:
    """A thin line, a blob or a box, of 1 to about 20 % of the image's side, soft at the edge."""
    sheet = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(sheet)
    side = min(height, width)
    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.85) * height
    size = side * float(np.exp(rng.uniform(np.log(0.015), np.log(0.15))))
    kind = rng.integers(3)
    if kind == 0:
        steps = rng.normal(0, size / 2, (int(rng.integers(3, 12)), 2)) + rng.normal(0, size / 2, 2)
        line = [(x, y), *((x + dx, y + dy) for dx, dy in np.cumsum(steps, 0).tolist())]
        pen.line(line, fill=255, width=max(1, int(rng.uniform(0.002, 0.01) * side)))
    elif kind == 1:
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        radius = size * rng.uniform(0.5, 1, 16)
        pen.polygon(list(zip(x + radius * np.cos(angle), y + radius * np.sin(angle), strict=True)), fill=255)
    else:
        wide, high = size * rng.uniform(0.4, 1.2, 2)
        pen.rectangle((x - wide, y - high, x + wide, y + high), fill=255)
    soft: Mask = gaussian_filter(np.asarray(sheet).astype(np.float32) / 255, float(rng.uniform(0.5, 1.5)))
    return soft


def _filled(rng: np.random.Generator, pixels: Pixels, mask: Mask) -> Pixels:
    """The image with the masked part replaced: by another place of itself, by a colour, or by its own blurred self."""
    real = pixels.astype(np.float32)
    kind = rng.integers(3)
    if kind == 0:
        by = [int(rng.integers(side // 8, side - side // 8)) for side in pixels.shape[:2]]
        other = np.roll(real, by, (0, 1))
    elif kind == 1:
        other = np.full_like(real, 255 * rng.random()) + rng.normal(0, 30, 3).astype(np.float32)
    else:
        other = gaussian_filter(real, (6, 6, 0)) * float(rng.choice([0.5, 0.7, 1.4, 1.8]))
    opacity = float(rng.uniform(0.4, 1)) * mask[..., None]
    mixed: Pixels = np.clip(real * (1 - opacity) + np.clip(other, 0, 255) * opacity, 0, 255).astype(np.uint8)
    return mixed
