"""How well a heat map finds the defect: pixel AUROC, AUPRO, the pointing game, and the overlap of predicted masks.

Areas are exact: every pixel is a threshold, equal scores move together, and nothing is binned. Truth is the mask of any
defect class; images whose truth is unknown (anomalous, without a mask) must not be added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from relook.vision.images import Size

HeatMap = npt.NDArray[np.float32]
"""(rows, columns) of any resolution, over the whole image; higher is more anomalous."""
Truth = npt.NDArray[np.bool_]
"""(height, width); True on a defect."""
Array = npt.NDArray[np.float64]

FALSE_POSITIVE_LIMIT = 0.3
"""Up to here AUPRO integrates: Bergmann et al., The MVTec Anomaly Detection Dataset, 2019 and 2021."""
_EIGHT_NEIGHBOURS = np.ones((3, 3), np.int8)


@dataclass(frozen=True, slots=True)
class Localisation:
    """Over all images added. In 0..1; None where a kind of pixel that the figure needs is missing."""

    pixel_auroc: float | None
    aupro: float | None
    pointing_game: float | None
    """The share of `defective` images whose highest point lies on the defect, or not more than a cell beside it."""
    defective: int


def upsample(heat: HeatMap, size: Size) -> HeatMap:
    """The heat map at `size`, bilinear, cell centres kept; float32."""
    if heat.shape == (size.height, size.width):
        return heat
    plane = Image.fromarray(np.ascontiguousarray(heat, np.float32))
    return np.asarray(plane.resize((size.width, size.height), Image.Resampling.BILINEAR))


def pointed_at(heat: HeatMap, truth: Truth, cells: tuple[int, int] | None = None) -> bool:
    """Whether the highest point of `heat` (the first of equals) lies on the truth dilated by one cell.

    `cells` are the (rows, columns) of the grid whose cell is meant; the heat map's own where None.
    """
    rows, columns = cells or heat.shape
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    height, width = truth.shape
    window = (
        _span(int(row), heat.shape[0], rows, height),
        _span(int(column), heat.shape[1], columns, width),
    )
    return bool(truth[window].any())


def _span(at: int, points: int, cells: int, pixels: int) -> slice:
    """The pixels of one point out of `points` and of a cell to either side of it."""
    start, end = pixels * (at / points - 1 / cells), pixels * ((at + 1) / points + 1 / cells)
    near = 1e-9 * pixels  # a border that is whole but for rounding stays where it is
    return slice(max(0, math.floor(start + near)), min(pixels, math.ceil(end - near)))


class Localiser:
    """Collects images; keeps 4 bytes a pixel, and 12 more for one on a defect."""

    def __init__(self) -> None:
        self._background: list[npt.NDArray[np.float32]] = []
        self._defect: list[npt.NDArray[np.float32]] = []
        self._shares: list[npt.NDArray[np.float64]] = []
        self._regions = 0
        self._hits = 0
        self._defective = 0

    def add(self, heat: HeatMap, truth: Truth, cells: tuple[int, int] | None = None) -> None:
        """One image; `truth` is all False for a normal one. `cells` as for `pointed_at`. ValueError on NaN."""
        if np.isnan(heat).any():
            raise ValueError("the heat map has values that are no number")
        scores = upsample(heat, Size(*truth.shape))
        self._background.append(scores[~truth])
        if not truth.any():
            return
        labels, regions = ndimage.label(truth, _EIGHT_NEIGHBOURS)
        region = labels[truth]
        self._defect.append(scores[truth])
        self._shares.append(1.0 / np.bincount(region)[region])
        self._regions += int(regions)
        self._hits += pointed_at(heat, truth, cells)
        self._defective += 1

    def result(self, limit: float = FALSE_POSITIVE_LIMIT) -> Localisation:
        """The figures so far. `limit` is the false positive rate, above 0 and at most 1, to which AUPRO goes."""
        if not 0 < limit <= 1:
            raise ValueError(f"the limit is {limit}; it must lie above 0 and at most at 1")
        background = np.concatenate([*self._background, np.empty(0, np.float32)])
        if not self._defective or not len(background):
            pointing = self._hits / self._defective if self._defective else None
            return Localisation(None, None, pointing, self._defective)
        background.sort()
        defect, shares = np.concatenate(self._defect), np.concatenate(self._shares)
        areas = _areas(background, defect, 1.0)
        partial = _areas(background, defect, limit)
        return Localisation(
            float(areas.mean()),
            float(partial @ shares / self._regions / limit),
            self._hits / self._defective,
            self._defective,
        )


def _areas(background: npt.NDArray[np.float32], defect: npt.NDArray[np.float32], limit: float) -> Array:
    """What each defect pixel adds, at full weight, to the area under the curve up to the false positive rate `limit`.

    Lowering the threshold through a pixel's score lifts the curve from the rate of background pixels above it to the
    rate of those not below it: a step, or a ramp where some are equal. So the curve is a sum of ramps, one a pixel.
    """
    count = len(background)
    begins = 1 - np.searchsorted(background, defect, "right") / count
    ends = 1 - np.searchsorted(background, defect, "left") / count
    ramp = np.maximum(ends - begins, 1 / (2 * count))
    within = np.clip(limit - begins, 0, None)
    return np.where(limit >= ends, np.clip(limit - (begins + ends) / 2, 0, None), within**2 / (2 * ramp))


@dataclass(frozen=True, slots=True)
class ClassOverlap:
    """Intersection over union of one class, 0..1; None where no image has the class."""

    accumulated: float | None
    """Of all pixels of all images together, in truth or in prediction."""
    mean: float | None
    """The mean over the images whose truth has the class."""
    images: int


class Overlap:
    """Adds up the overlap of class maps, image by image."""

    def __init__(self, classes: int) -> None:
        """`classes` without the background, which is index 0."""
        self._common = np.zeros(classes, np.int64)
        self._union = np.zeros(classes, np.int64)
        self._ious: list[list[float]] = [[] for _ in range(classes)]

    def add(self, predicted: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> None:
        """Both (height, width) class indices."""
        for at, ious in enumerate(self._ious):
            said, true = predicted == at + 1, truth == at + 1
            common, union = int((said & true).sum()), int((said | true).sum())
            self._common[at] += common
            self._union[at] += union
            if true.any():
                ious.append(common / union)

    def result(self) -> Sequence[ClassOverlap]:
        """One entry for each class, in order."""
        return tuple(
            ClassOverlap(float(common / union) if union else None, float(np.mean(ious)) if ious else None, len(ious))
            for common, union, ious in zip(self._common, self._union, self._ious, strict=True)
        )
