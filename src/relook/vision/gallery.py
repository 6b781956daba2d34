"""Test images for people to look at, with what the model sees in them: the training report shows these."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from relook.vision.images import Pixels
from relook.vision.samples import Shown, TestResult

Floats = npt.NDArray[np.float32]

MOST_SHOWN = 60
LONG_SIDE = 360
"""Pixels of a picture's longer side."""
_QUALITY = 85
_FAINTEST_SPAN = 3.0
"""Deviations of normal cells between no colour and full colour, at least: where nothing is hot, nothing is red."""
_OPACITY = 0.65
_WARM, _HOT = np.array([255, 221, 0], np.float32), np.array([214, 0, 0], np.float32)


def hottest(heat: Floats) -> tuple[float, float]:
    """The middle of the highest cell of (rows, columns), as (x, y) in 0..1."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return (float(column) + 0.5) / heat.shape[1], (float(row) + 0.5) / heat.shape[0]


def small(pixels: Pixels) -> Pixels:
    """(height, width, 3) as people are shown it."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BOX)
    return np.asarray(image)


@dataclass(frozen=True, slots=True)
class _Kept:
    rank: tuple[bool, float]
    result: TestResult
    picture: Pixels
    heat: Floats


class Gallery:
    """Keeps MOST_SHOWN images: those judged wrong, the surest mistake first, then those nearest to the threshold."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._highest: dict[bool, list[float]] = {False: [], True: []}

    def add(self, result: TestResult, picture: Pixels, heat: Floats) -> None:
        """`picture` is the image, `small`; `heat` (rows, columns) in deviations of normal cells."""
        self._highest[result.anomalous].append(float(heat.max()))
        rank = _rank(result)
        if len(self._kept) == MOST_SHOWN:
            if rank >= self._kept[-1].rank:
                return
            self._kept.pop()
        self._kept.append(_Kept(rank, result, picture, heat))
        self._kept.sort(key=lambda each: each.rank)

    def shown(self) -> tuple[Shown, ...]:
        """All on one scale, so that colours compare: none up to what normal images usually reach, full at what
        anomalies usually do, or where there are none, beyond all images."""
        if not self._kept:
            return ()
        normals, anomalies = self._highest[False], self._highest[True]
        low = float(np.median(normals)) if normals else min(0.0, *anomalies)
        high = float(np.median(anomalies)) if anomalies else max(normals) + _FAINTEST_SPAN
        high = max(high, low + _FAINTEST_SPAN)
        return tuple(
            Shown(each.result, _jpeg(each.picture), _jpeg(_laid_over(each.picture, each.heat, low, high)))
            for each in self._kept
        )


def _rank(result: TestResult) -> tuple[bool, float]:
    margin = abs(result.prediction.score - result.prediction.threshold)
    return result.right, margin if result.right else -margin


def _laid_over(picture: Pixels, heat: Floats, low: float, high: float) -> Pixels:
    """Nothing at `low` and below, _OPACITY at `high` and above."""
    height, width = picture.shape[:2]
    fitted = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR))
    strength = np.clip((fitted - low) / (high - low), 0, 1)[..., None]
    colour = _WARM + strength * (_HOT - _WARM)
    mixed = picture + _OPACITY * strength * (colour - picture)
    return np.asarray(mixed.round(), np.uint8)


def _jpeg(pixels: Pixels) -> bytes:
    room = io.BytesIO()
    Image.fromarray(pixels).save(room, "JPEG", quality=_QUALITY)
    return room.getvalue()
