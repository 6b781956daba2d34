"""Models of labels see the same picture whatever kind of PNG or JPEG it comes in."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from image_kinds import cmyk_jpeg, mpo, png, ycck_jpeg
from relook.vision.images import Size, load_upright, upright_header

HEIGHT, WIDTH = 93, 67
ROW, COLUMN = np.mgrid[:HEIGHT, :WIDTH]
RGB = np.stack([40 + 2 * COLUMN, 255 - 2 * ROW, 60 + ROW + COLUMN], axis=2).astype(np.uint8)
GREY = RGB[..., 1:2]
RANDOM = np.random.default_rng(0)
ALPHA = RANDOM.integers(0, 256, GREY.shape, np.uint8)


def fine(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """The same in 16 bits, of which the lower eight are anything."""
    return (pixels.astype(np.uint16) << 8) | RANDOM.integers(0, 256, pixels.shape, np.uint16)


def with_alpha(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.concatenate([pixels, ALPHA], axis=2)


PNGS: Mapping[str, npt.NDArray[np.uint8] | npt.NDArray[np.uint16]] = {
    "RGB": RGB,
    "RGBA": with_alpha(RGB),
    "L": GREY,
    "LA": with_alpha(GREY),
    "16-bit RGB": fine(RGB),
    "16-bit RGBA": fine(with_alpha(RGB)),
    "16-bit L": fine(GREY),
    "16-bit LA": fine(with_alpha(GREY)),
}
JPEGS: Mapping[str, tuple[Callable[[npt.NDArray[np.uint8]], bytes], str, str]] = {
    "CMYK": (cmyk_jpeg, "JPEG", "CMYK"),
    "YCCK": (ycck_jpeg, "JPEG", "CMYK"),
    "MPO": (mpo, "MPO", "RGB"),
}


def seen(data: bytes) -> npt.NDArray[np.int64]:
    found = load_upright(data)
    assert found.size == Size(HEIGHT, WIDTH)
    return found.pixels.astype(np.int64)


@pytest.mark.parametrize("interlaced", [False, True], ids=["row by row", "interlaced"])
@pytest.mark.parametrize("kind", PNGS)
def test_pngs_are_seen_to_the_bit(kind: str, interlaced: bool) -> None:
    """Grey is spread, alpha dropped, 16 bits cut to 8, and nothing else happens."""
    data = png(PNGS[kind], interlaced=interlaced)
    assert bool(Image.open(io.BytesIO(data)).info.get("interlace")) == interlaced
    assert (seen(data) == (GREY if "L" in kind else RGB)).all()


@pytest.mark.parametrize("kind", JPEGS)
def test_jpegs_are_seen_to_what_their_compression_takes(kind: str) -> None:
    """Within 6 of 255, which is what a plain JPEG of this quality is held to as well."""
    make, form, mode = JPEGS[kind]
    data = make(RGB)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode) == (form, mode)
    assert upright_header(data) == ("JPEG", Size(HEIGHT, WIDTH))
    assert np.abs(seen(data) - RGB).max() <= 6
