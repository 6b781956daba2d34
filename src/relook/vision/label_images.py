"""Reading the images that classifiers and detectors are taught with; what goes wrong names the image."""

from __future__ import annotations

from relook.vision.images import Loaded, load_upright
from relook.vision.labelled import LabelledImage
from relook.vision.samples import ImageError, TrainingError


def bytes_of(image: LabelledImage) -> bytes:
    """The encoded image; TrainingError."""
    try:
        return image.load()
    except OSError as error:
        raise TrainingError(f"{image.key} cannot be read: {error}") from error


def decoded(image: LabelledImage, data: bytes | None = None) -> Loaded:
    """The upright pixels, perhaps shrunk, of `data`, or where that is None of the image's own bytes; TrainingError."""
    data = bytes_of(image) if data is None else data
    try:
        return load_upright(data)
    except ImageError as error:
        raise TrainingError(f"{image.key}: {error}") from error
