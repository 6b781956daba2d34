"""What an account may use; the defaults are those of the original, where they are known."""

from __future__ import annotations

from dataclasses import dataclass

from relook.core.datasets import MAX_IMAGE_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """Per account and region: trainings at once; per model: inference units and tags; per request: image bytes."""

    trainings: int = 2
    inference_units: int = 5
    tags: int = 50
    image_bytes: int = MAX_IMAGE_BYTES
