"""Bytes to pixels: the one way in for training and serving alike.

For anomaly models (`load`, `decode`) pixels are taken as they are stored: an EXIF orientation is not applied, because
masks are drawn on stored pixels and the answers' masks must have the stored width and height. For models of labels
(`load_upright`) it is: boxes are drawn on upright pictures.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from relook.vision import slight
from relook.vision.samples import ImageError, ImageShapeError, ImageTooLargeError

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3) RGB, 0..255."""

SMALLEST_SIDE = 64
LARGEST_SIDE = 4096
LARGEST_FILE = 8 * 1024 * 1024
LARGEST_UPRIGHT_FILE = 15 * 1024 * 1024
LONGEST_SHAPE = 20
"""The longer side over the shorter one, at most, of images for models of labels."""
LARGEST_WORKING_SIDE = 1024
"""Nothing is looked at larger than this."""
CELL = 16
"""Working sizes are multiples of this: the coarsest feature map used has this stride."""

MOST_SCANS = 64
"""Of a JPEG. Encoders make about ten; each costs a pass over all pixels, and takes 33 bytes to ask for."""

_FORMATS = ("JPEG", "PNG")
_PNG = b"\x89PNG"
_ORIENTATION = 0x0112
_SAME_ASPECT = math.log(1.1)
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_START_OF_SCAN, _END_OF_IMAGE = b"\xda", b"\xd9"
_MOST_SEGMENTS = 4096


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image to work on: `pixels` may be shrunk, `size` is the stored image's."""

    pixels: Pixels
    size: Size


def load(data: bytes) -> Loaded:
    """As `decode`, but a large JPEG is decoded at a half or a quarter of its size while its longer side
    keeps LARGEST_WORKING_SIDE pixels: its cosines give that for a part of the time. What comes out depends on nothing
    but the bytes, so that training and serving see the same."""
    with _open(data) as image:
        return _loaded(data, image)


def load_upright(data: bytes) -> Loaded:
    """As `load`, for models of labels: up to 15 MB, no longer than 20:1, a JPEG turned as its EXIF orientation says.

    `size` is that of the upright image. Raises ImageError with its fault.
    """
    with _open_upright(data) as image:
        turn = _orientation(image)
        loaded = _loaded(data, image)
    return loaded if turn == 1 else Loaded(_turned(loaded.pixels, turn), _turned_size(loaded.size, turn))


def upright_header(data: bytes) -> tuple[str, Size]:
    """What the header alone tells, whatever rule the image breaks: JPEG or PNG, and the size `load_upright` will tell.

    Raises ImageError for what is neither.
    """
    with _recognised(data) as image:
        return _format(image), _turned_size(Size(image.height, image.width), _orientation(image))


def upright_size(data: bytes) -> Size:
    """The size that `load_upright` will tell, from the header alone; ImageError if that shows a broken rule."""
    with _open_upright(data) as image:
        return _turned_size(Size(image.height, image.width), _orientation(image))


def size_of(data: bytes) -> Size:
    """Width and height from the header alone; ImageError if the bytes break a rule that the header shows."""
    with _open(data) as image:
        return Size(image.height, image.width)


def decode(data: bytes) -> Pixels:
    """A JPEG or PNG, known by content, as RGB: grey is spread, alpha dropped, 16 bits cut to 8.

    Raises ImageError on anything else, on sides outside 64..4096, files over 8 MB and truncated files.
    """
    with _open(data) as image:
        if _format(image) == "JPEG":
            _check_scans(data)
            if image.mode in ("RGB", "L"):
                return _decode_jpeg(data, Size(image.height, image.width))
        return _decode_pillow(image)


def working_size(image: Size, long_side: int) -> Size:
    """The size nearest to the image's aspect whose longer side is about `long_side`, in whole cells."""
    scale = long_side / max(image.height, image.width)
    return Size(*(max(2 * CELL, CELL * round(side * scale / CELL)) for side in (image.height, image.width)))


def resize(pixels: Pixels, size: Size) -> Pixels:
    """Area average when shrinking, bilinear when growing."""
    height, width = pixels.shape[:2]
    if (height, width) == (size.height, size.width):
        return pixels
    shrinking = size.height <= height and size.width <= width
    if shrinking and (found := slight.shrink(pixels, size.height, size.width)) is not None:
        return found
    how = Image.Resampling.BOX if shrinking else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize((size.width, size.height), how))


def _open(data: bytes, largest: int = LARGEST_FILE) -> Image.Image:
    if len(data) > largest:
        raise ImageTooLargeError(
            f"the image has {len(data):,} bytes; at most {largest:,} ({largest // 2**20} MB) are accepted"
        )
    image = _recognised(data)
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in image.size):
        error = ImageTooLargeError if max(image.size) > LARGEST_SIDE else ImageShapeError
        raise error(
            f"the image is {image.width}x{image.height} pixels; each side must be {SMALLEST_SIDE} to {LARGEST_SIDE}"
        )
    return image


def _recognised(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's size warnings: the limits are stricter
            try:
                return Image.open(io.BytesIO(data), formats=_FORMATS)
            except Image.DecompressionBombError:
                # Of a good header: its size is wanted, to be told that no side may be so long.
                return (PngImageFile if data.startswith(_PNG) else JpegImageFile)(io.BytesIO(data))
    except MemoryError:
        raise
    except Exception as error:  # see _decode_pillow
        raise ImageError("the bytes are not a JPEG or PNG image; only these two formats are accepted") from error


def _format(image: Image.Image) -> str:
    """JPEG or PNG. Cameras hang a second picture on their JPEG; Pillow calls that MPO, and it is the same JPEG."""
    return "PNG" if image.format == "PNG" else "JPEG"


def _open_upright(data: bytes) -> Image.Image:
    image = _open(data, LARGEST_UPRIGHT_FILE)
    if max(image.size) > LONGEST_SHAPE * min(image.size):
        raise ImageShapeError(
            f"the image is {image.width}x{image.height} pixels; the longer side may be at most {LONGEST_SHAPE} times "
            "the shorter one"
        )
    return image


def _loaded(data: bytes, image: Image.Image) -> Loaded:
    size = Size(image.height, image.width)
    if _format(image) == "JPEG":
        _check_scans(data)
        if image.mode in ("RGB", "L"):
            return Loaded(_decode_jpeg(data, _shrunk(size)), size)
    return Loaded(_decode_pillow(image), size)


def _orientation(image: Image.Image) -> int:
    """EXIF's 1 to 8 of a JPEG; 1, upright, where it says nothing that can be understood. A PNG is upright."""
    if _format(image) == "PNG":
        return 1
    try:
        told = image.getexif().get(_ORIENTATION)
    except MemoryError:
        raise
    except Exception:  # damaged tags make Pillow raise anything; the pixels may be sound
        return 1
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """From 5 on rows and columns are exchanged first; then 2, 3, 6 and 7 mirror columns, and 3, 4, 7 and 8 rows."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows, columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])


def _turned_size(size: Size, orientation: int) -> Size:
    return Size(size.width, size.height) if orientation >= 5 else size


def _check_scans(data: bytes) -> None:
    """ImageError for a JPEG that would keep a decoder busy for minutes."""
    if data.count(b"\xff" + _START_OF_SCAN) <= MOST_SCANS:
        return  # some of them may be metadata, so more than that have to be looked at one by one
    scans = segments = 0
    found = _MARKER.search(data, 2)
    while found is not None and found[1] != _END_OF_IMAGE:
        segments += 1
        scans += found[1] == _START_OF_SCAN
        if scans > MOST_SCANS or segments > _MOST_SEGMENTS:
            raise ImageError(
                f"the JPEG is made of more than {MOST_SCANS} scans or {_MOST_SEGMENTS} segments, which no camera or "
                "common encoder does; save it again as a plain JPEG"
            )
        found = _MARKER.search(data, found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big"))


def _shrunk(size: Size) -> Size:
    factor = LARGEST_SIDE // LARGEST_WORKING_SIDE
    while factor > 1 and max(size.height, size.width) < factor * LARGEST_WORKING_SIDE:
        factor //= 2
    return Size(-(-size.height // factor), -(-size.width // factor))


def _decode_jpeg(data: bytes, size: Size) -> Pixels:
    """At `size`, a whole, half or quarter of the stored one."""
    least = {"min_height": size.height, "min_width": size.width}
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, **least)
    except ValueError as error:
        raise ImageError(f"the JPEG is truncated or damaged ({error}); send the file again, whole") from error
    return pixels


def _decode_pillow(image: Image.Image) -> Pixels:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "palette images with transparency": alpha is dropped on purpose
            image.load()
            return np.array(_as_rgb(image))
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise anything: AssertionError, struct.error, KeyError, ...
        raise ImageError(
            f"the {_format(image)} is truncated or damaged ({error}); send the file again, whole"
        ) from error


def _as_rgb(image: Image.Image) -> Image.Image:
    return eight_bits(image).convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """The upper half of 16-bit grey, which Pillow's own conversions would clip instead; others as they are."""
    if not image.mode.startswith("I"):
        return image
    grey: npt.NDArray[Any] = np.asarray(image).astype(np.int64) >> 8
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def common_size(sizes: list[Size]) -> Size:
    """Of the images of the commonest shape, the size that most have; of equally frequent ones the larger.

    Sizes are of one shape as far as `aspect_differs` says so."""
    counts = sorted(Counter(sizes).items(), key=lambda each: each[0].width / each[0].height)
    aspects = np.log([size.width / size.height for size, _ in counts])
    until = np.cumsum([0, *(count for _, count in counts)])
    first = np.searchsorted(aspects, aspects - _SAME_ASPECT, "left")
    last = np.searchsorted(aspects, aspects + _SAME_ASPECT, "right")
    alike = until[last] - until[first]
    ranked = [(shaped, count) for shaped, (_, count) in zip(alike.tolist(), counts, strict=True)]
    middle = ranked.index(max(ranked))
    shape = counts[int(first[middle]) : int(last[middle])]
    return max(shape, key=lambda each: (each[1], each[0].height * each[0].width, each[0].width))[0]


def aspect_differs(one: Size, other: Size) -> bool:
    """Whether the two aspect ratios differ by more than a tenth."""
    return abs(math.log((one.width * other.height) / (one.height * other.width))) > _SAME_ASPECT
