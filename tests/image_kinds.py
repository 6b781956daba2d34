"""Kinds of PNG and JPEG that cameras, scanners and photo editors write, most of which Pillow reads but cannot write."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3) RGB."""
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, rows and columns between, of each pass."""


def png(samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], *, interlaced: bool = False) -> bytes:
    """A PNG of (height, width, channels): grey, grey and alpha, RGB or RGB and alpha, of 8 or 16 bits."""
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, int(interlaced))
    ordered = samples.astype(samples.dtype.newbyteorder(">"))
    passes = [ordered[top::down, left::across] for top, left, down, across in (_ADAM7 if interlaced else _WHOLE)]
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def cmyk_jpeg(pixels: Pixels) -> bytes:
    """Four inks, as much black as there can be; inverted, as the Adobe marker in it stands for."""
    data = _jpeg(_inks(pixels))
    assert _adobe_transform(data) == 0
    return data


def ycck_jpeg(pixels: Pixels) -> bytes:
    """As photo editors write four inks: three of them as luminance and chrominance, which the Adobe marker says."""
    cyan, magenta, yellow, black = _inks(pixels).split()
    planes = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    # Pillow inverts all four planes when it writes them; only that of black is to be inverted.
    data = bytearray(_jpeg(Image.merge("CMYK", (*map(ImageChops.invert, planes), black))))
    data[data.index(b"Adobe") + 11] = 2
    assert _adobe_transform(bytes(data)) == 2
    return bytes(data)


def mpo(pixels: Pixels) -> bytes:
    """A camera's JPEG with a second picture, of other colours, behind it."""
    first = Image.fromarray(pixels)
    room = io.BytesIO()
    first.save(room, "MPO", save_all=True, append_images=[ImageChops.invert(first)], quality=95, subsampling=0)
    return room.getvalue()


def _inks(pixels: Pixels) -> Image.Image:
    brightest = np.maximum(pixels.max(axis=2, keepdims=True), 1).astype(np.float64)
    colours = np.rint(255 * (1 - pixels / brightest))
    return Image.fromarray(np.concatenate([colours, 255 - brightest], axis=2).astype(np.uint8), "CMYK")


def _jpeg(image: Image.Image) -> bytes:
    room = io.BytesIO()
    image.save(room, "JPEG", quality=95)
    return room.getvalue()


def _adobe_transform(data: bytes) -> int:
    start = data.index(b"\xff\xee\x00\x0eAdobe")
    return data[start + 15]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
