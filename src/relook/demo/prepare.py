"""Making an image file acceptable to the API: JPEG or PNG, 64 to 4096 pixels a side, at most 8 MB."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from relook.demo.errors import PicturesError
from relook.demo.pictures import Encoded

MIN_SIDE = 64
MAX_SIDE = 4096
MAX_BYTES = 8 * 1024 * 1024
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2"})
"""Files with these endings are taken for images; others in a folder are listed and skipped."""
_AS_THEY_ARE = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png"}
_PLAIN_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}


def prepare(path: Path) -> Encoded:
    """The file's bytes if the API takes them as they are, else the nearest thing it takes, and what was changed.

    Raises PicturesError, without the file's name, when it is no readable image or too small.
    """
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return _fitted(data, image)
    except UnidentifiedImageError:
        raise PicturesError("is not an image that can be read") from None
    except Image.DecompressionBombError as error:
        raise PicturesError(f"has too many pixels ({error})") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise PicturesError(f"cannot be read: {error}") from None


def _fitted(data: bytes, image: Image.Image) -> Encoded:
    if min(image.size) < MIN_SIDE:
        raise PicturesError(f"is {image.width}x{image.height} pixels; the API takes {MIN_SIDE} to {MAX_SIDE} a side")
    extension = _AS_THEY_ARE.get(image.format or "")
    plain = image.mode in _PLAIN_MODES
    if extension and plain and max(image.size) <= MAX_SIDE and len(data) <= MAX_BYTES:
        return Encoded(data, extension, image.size)
    changes = [] if extension else [f"{image.format} turned into PNG"]
    if not plain:
        changes.append(f"{image.mode} pixels turned into 8-bit RGB")
    pixels = _eight_bit(image)
    if max(pixels.size) > MAX_SIDE:
        factor = MAX_SIDE / max(pixels.size)
        pixels = _scaled(pixels, factor)
        changes.append(f"made smaller, {image.width}x{image.height} to {pixels.width}x{pixels.height}")
    return _encoded(pixels, extension or "png", changes, image.size)


def _encoded(pixels: Image.Image, extension: str, changes: list[str], was: tuple[int, int]) -> Encoded:
    data = _encode(pixels, extension)
    shrunk = False
    while len(data) > MAX_BYTES:
        pixels, shrunk = _scaled(pixels, 0.8), True
        data = _encode(pixels, extension)
    if shrunk:
        changes = [*changes, f"made smaller to stay under 8 MB, {was[0]}x{was[1]} to {pixels.width}x{pixels.height}"]
    return Encoded(data, extension, pixels.size, "; ".join(changes), scaled=pixels.size != was)


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit and wider: keep the range, not the low byte
        low, high = (float(value) for value in image.convert("F").getextrema())  # type: ignore[arg-type]
        scale = 255.0 / (high - low) if high > low else 1.0
        return image.convert("F").point(lambda value: (value - low) * scale).convert("L").convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (max(MIN_SIDE, round(image.width * factor)), max(MIN_SIDE, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _encode(image: Image.Image, extension: str) -> bytes:
    out = io.BytesIO()
    if extension == "png":
        image.save(out, "PNG")
    else:
        image.save(out, "JPEG", quality=92, subsampling=0)
    return out.getvalue()
