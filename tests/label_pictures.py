"""Pictures that are told apart by colour, and the manifest lines that label them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE = (220, 30, 30), (30, 200, 40), (30, 40, 220)
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}
DATE = "2020-03-06T17:46:39.176"


def plain(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (80, 64), form: str = "PNG") -> bytes:
    """A noisy picture of one colour, (width, height)."""
    noise = np.random.default_rng(seed).normal(0, 4, (size[1], size[0], 3))
    return encoded(np.array(colour) + noise, form)


def squares_on_grey(squares: Mapping[str, tuple[int, int, int, int]], seed: int) -> bytes:
    picture = 128 + np.random.default_rng(seed).normal(0, 3, (96, 128, 3))
    for name, (left, top, width, height) in squares.items():
        picture[top : top + height, left : left + width] = COLOURS[name]
    return encoded(picture)


def encoded(picture: Any, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(out, form, **options)
    return out.getvalue()


def label_line(source_ref: str, *labels: str, **metadata: Any) -> dict[str, Any]:
    """A line with image-level labels, an attribute each."""
    line: dict[str, Any] = {"source-ref": source_ref}
    for place, label in enumerate(labels):
        line[f"label-{place}"] = 1
        line[f"label-{place}-metadata"] = {
            "class-name": label,
            "confidence": 1,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": DATE,
            **metadata,
        }
    return line


Box = tuple[float, float, float, float]
"""Left, top, width, height."""


def box_line(
    source_ref: str, size: tuple[int, int], boxes: Mapping[str, Box] | Sequence[tuple[str, Box]]
) -> dict[str, Any]:
    """A line with a box of each label, or with as many as there are; `size` (width, height) is what it declares."""
    pairs = list(boxes.items()) if isinstance(boxes, Mapping) else list(boxes)
    names = list(dict.fromkeys(name for name, _ in pairs))
    sides = ("left", "top", "width", "height")
    return {
        "source-ref": source_ref,
        "boxes": {
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": [
                {"class_id": names.index(name), **dict(zip(sides, box, strict=True))} for name, box in pairs
            ],
        },
        "boxes-metadata": {
            "objects": [{"confidence": 1}] * len(pairs),
            "class-map": {str(place): name for place, name in enumerate(names)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": DATE,
        },
    }
