"""One pass over all images: what the file, its header and a small grey copy say. A few kilobytes an image are kept."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from PIL import Image

from relook.vision.images import Pixels, Size, decode, resize
from relook.vision.samples import ImageError, Progress, Sample

THUMB = 64
"""Side of the grey copy: small enough to even out re-encoding, large enough to tell two specimens apart."""
_COLOUR_SIDE = 128
_MAKE, _MODEL, _SOFTWARE, _DATE = 271, 272, 305, 306


@dataclass(frozen=True, slots=True)
class Header:
    """`quantisation` is the mean of the JPEG's luminance table (0 for other formats); `taken` is in seconds."""

    format: str
    mode: str
    quantisation: float
    progressive: bool
    profile: bool
    camera: str
    software: str
    taken: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """`thumb` (64, 64) grey 0..255; `colours` (9,) quartiles of red, green and blue; `contrast` in grey levels, between
    the hundredth parts of the darkest and the brightest pixels; `highest` the largest stored value of 16-bit grey."""

    sha256: bytes
    length: int
    size: Size
    header: Header
    thumb: npt.NDArray[np.float16]
    colours: npt.NDArray[np.float32]
    contrast: float
    highest: int | None


@dataclass(frozen=True, slots=True)
class Damaged:
    """Why an image cannot be used."""

    reason: str


def gather(samples: Sequence[Sample], progress: Progress) -> list[Facts | Damaged]:
    """One entry for each sample, in order."""
    found: list[Facts | Damaged] = []
    for position, sample in enumerate(samples):
        found.append(_facts(sample))
        progress("look", position + 1, len(samples))
    return found


def _facts(sample: Sample) -> Facts | Damaged:
    try:
        data = sample.load()
        pixels = decode(data)
    except OSError as error:
        return Damaged(f"it cannot be read: {error}")
    except ImageError as error:
        return Damaged(str(error))
    grey = thumb(pixels)
    small = resize(pixels, Size(_COLOUR_SIDE, _COLOUR_SIDE)).reshape(-1, 3)
    low, high = np.percentile(small.mean(1), (1, 99))
    return Facts(
        sha256=hashlib.sha256(data).digest(),
        length=len(data),
        size=Size(*pixels.shape[:2]),
        header=_header(data),
        thumb=grey,
        # Quartiles, because a small defect must not move them: what it does to the picture is no shortcut.
        colours=np.percentile(small, (25, 50, 75), axis=0).T.ravel().astype(np.float32),
        contrast=float(high - low),
        highest=_highest(data),
    )


def thumb(pixels: Pixels) -> npt.NDArray[np.float16]:
    """(THUMB, THUMB) grey, 0..255, in fractions of a level: rounding would drown what little differs between pictures
    of an aligned part."""
    grey = Image.fromarray(pixels).convert("L").convert("F")
    return np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.HAMMING)).astype(np.float16)


def _header(data: bytes) -> Header:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            tables = getattr(image, "quantization", None) or {}
            exif = _exif(image)
            return Header(
                format=image.format or "",
                mode=image.mode,
                quantisation=float(np.mean(tables[0])) if 0 in tables else 0.0,
                progressive=bool(image.info.get("progressive")),
                profile="icc_profile" in image.info,
                camera=" ".join(part for part in (_text(exif, _MAKE), _text(exif, _MODEL)) if part),
                software=_text(exif, _SOFTWARE),
                taken=_seconds(_text(exif, _DATE)),
            )


def _highest(data: bytes) -> int | None:
    """None for all but 16-bit grey: only there do cameras leave the high bits empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            return int(np.asarray(image).max()) if image.mode.startswith("I") else None


def _exif(image: Image.Image) -> dict[int, object]:
    """The main tags; none where they are damaged, which Pillow reports by almost any exception."""
    try:
        return dict(image.getexif())
    except MemoryError:
        raise
    except Exception:  # the pixels are sound: a broken tag says nothing about the picture
        return {}


def _text(exif: dict[int, object], tag: int) -> str:
    value = exif.get(tag, "")
    return value.strip("\0 ") if isinstance(value, str) else ""


def _seconds(text: str) -> float | None:
    """Cameras do not say their time zone; all are taken for UTC."""
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
