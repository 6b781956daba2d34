"""Masks: reading what labels one shows, and painting black-and-white ones in the colours the API wants."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from relook.demo.errors import PicturesError

WHITE = "#FFFFFF"


def rgb_of(colour: str) -> tuple[int, int, int]:
    """`#RRGGBB` to three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def paint(area: np.ndarray, colour: str) -> bytes:
    """A PNG of a boolean array of shape (height, width): `colour` where it is true, white elsewhere."""
    canvas = np.full((*area.shape, 3), 255, np.uint8)
    canvas[area] = rgb_of(colour)
    out = io.BytesIO()
    Image.fromarray(canvas).save(out, "PNG", optimize=True)
    return out.getvalue()


def paint_file(path: Path, colour: str, size: tuple[int, int]) -> bytes:
    """A white-on-black mask file as the API wants it, at the size (width, height) of its image."""
    with Image.open(path) as image:
        grey = image.convert("L").resize(size, Image.Resampling.NEAREST)
    return paint(np.asarray(grey) > 127, colour)


def labels_in(png: bytes, colours: Mapping[str, str]) -> frozenset[str]:
    """The labels whose colour occurs in a mask; pixels more than half transparent are background.

    Raises PicturesError, without a name, when it is no image.
    """
    try:
        with Image.open(io.BytesIO(png)) as image:
            pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    except (OSError, SyntaxError, ValueError) as error:
        raise PicturesError(f"cannot be read as a mask: {error}") from None
    opaque = pixels[pixels[:, 3] >= 128, :3].astype(np.uint32)
    packed = np.unique(opaque[:, 0] << 16 | opaque[:, 1] << 8 | opaque[:, 2])
    present = {f"#{int(value):06X}" for value in packed}
    return frozenset(name for colour, name in colours.items() if colour.upper() in present)


def mask_at(path: Path, size: tuple[int, int]) -> bytes:
    """A mask file at another size (width, height), its colours untouched, its transparency kept."""
    with Image.open(path) as image:
        scaled = image.convert("RGBA").resize(size, Image.Resampling.NEAREST)
    out = io.BytesIO()
    scaled.save(out, "PNG")
    return out.getvalue()
