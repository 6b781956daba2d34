"""The mask network tried on the training images: fitted out of fold, its background level chosen, fitted on all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt
from PIL import Image

from relook.vision import mask_net
from relook.vision.cell_context import cover
from relook.vision.descriptor import worst_logit
from relook.vision.graph import CellNet
from relook.vision.images import Size
from relook.vision.mask_net import CellView
from relook.vision.masks import ClassMap
from relook.vision.parallel import in_order, threads
from relook.vision.samples import stepping
from relook.vision.turns import Turn

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]
Truth = npt.NDArray[np.float16]
"""(rows, columns, classes): the share that each class covers, on the grid or on one a whole number of times finer."""

FLIPS = (Turn(0, mirrored=True), Turn(2, mirrored=True), Turn(2))
FLIPPED_IMAGES = 64
"""So many defective images are shown mirrored too; where there are many more, there is no need."""
TOUCHED_CELLS = 50_000
CLEAN_CELLS = 110_000
NORMAL_CELLS = 40_000
"""Cells to train on: of defective images those that a class covers in part and those that none does, and of the others.

Each view gives its share. The cells around a defect teach the most.
"""
LEVELLED_FROM = 100
"""The background's level is chosen on at most this many images."""
FINER = 4
_MOST_PLANES = 160
"""Shares kept for a cell, classes times finer cells: with many classes the truth is less fine, for what it takes up."""
_LEVELS = np.linspace(-4.0, 4.0, 33)


@dataclass(frozen=True, slots=True)
class ViewTrial:
    """`values` (images,) is each image's held-out `worst_logit`; `overlap` the held-out mean overlap of the classes,
    None where no class is there without which a network has learned it, too."""

    net: CellNet
    values: npt.NDArray[np.float64]
    overlap: float | None


def truth_of(mask: ClassMap, grid: Size, classes: int) -> Truth:
    """A mask's shares, FINER times finer than `grid` unless the mask has too few pixels or too many classes for it."""
    rows, columns = (-(-wanted // have) for wanted, have in zip((grid.height, grid.width), mask.shape, strict=True))
    mask = np.repeat(np.repeat(mask, rows, 0), columns, 1)  # a cell of a small picture may have less than a pixel
    affordable = isqrt(max(1, _MOST_PLANES // classes))
    fine = max(1, min(FINER, affordable, mask.shape[0] // grid.height, mask.shape[1] // grid.width))
    size = Size(fine * grid.height, fine * grid.width)
    if not mask.any():
        return np.zeros((size.height, size.width, classes), np.float16)
    return cover(mask, size, classes).reshape(size.height, size.width, classes).astype(np.float16)


@dataclass(frozen=True, slots=True)
class Shown:
    """Image `at`, or its mirror image by `flip`; `truth` is that of the image unflipped, None where it is not known."""

    at: int
    truth: Truth | None
    fine: CellView
    coarse: CellView | None = None
    flip: Turn | None = None


class MaskViews:
    """Collects cells to train on, view after view. Memory is bounded, time linear in the images.

    `defective` (images,) says which images have a mask with a defect, `fold` (images,) which are held out together.
    """

    def __init__(self, defective: npt.NDArray[np.bool_], fold: Positions, classes: int, seed: int) -> None:
        self._fold = fold
        self._classes = classes
        self._seed = seed
        rng = np.random.default_rng([seed, 6])
        flipped = rng.permutation(np.flatnonzero(defective))[:FLIPPED_IMAGES]
        self._flipped = frozenset(int(at) for at in flipped)
        self._defective = defective
        self._views = int(defective.sum()) + len(FLIPS) * len(flipped)
        levelled = rng.permutation(len(fold))[:LEVELLED_FROM]
        self._truths: dict[int, Truth] = {}
        self._levelled = frozenset(int(at) for at in (*flipped, *levelled))
        self._seen: list[npt.NDArray[np.float16]] = []
        self._shares: list[Floats] = []
        self._folds: list[Positions] = []

    def flips(self, at: int) -> tuple[Turn, ...]:
        """How image `at` is to be mirrored and added again; the backbone sees mirrored images as other ones."""
        return FLIPS if at in self._flipped else ()

    def add(self, shown: Iterable[Shown], step: Callable[[], None]) -> None:
        """Images with held-out distances, and mirror images, which come after their own; `step` is called for each
        image. Those whose truth is not known are left out."""
        with closing(in_order(self._picked, shown, range(threads()))) as found:
            for each, picked in found:
                if each.flip is None:
                    step()
                if each.truth is None or picked is None:
                    continue
                if each.flip is None and each.at in self._levelled:
                    self._truths[each.at] = each.truth
                seen, shares = picked
                self._seen.append(seen)
                self._shares.append(shares)
                self._folds.append(np.full(len(seen), self._fold[each.at]))

    def _picked(self, _: int, shown: Shown) -> tuple[Shown, tuple[npt.NDArray[np.float16], Floats] | None]:
        """What the head sees of some of its cells, and the shares there."""
        at, flip = shown.at, shown.flip
        if shown.truth is None:
            return shown, None
        turned = shown.truth if flip is None else flip.apply(shown.truth)
        shares = _on_grid(turned, shown.fine.grid)
        rng = np.random.default_rng([self._seed, 7, at, 0 if flip is None else 1 + FLIPS.index(flip)])
        cells = rng.permutation(np.flatnonzero(shares.sum(1) == 0))
        if self._defective[at]:
            touched = rng.permutation(np.flatnonzero(shares.sum(1)))[: max(1, TOUCHED_CELLS // self._views)]
            cells = np.concatenate([touched, cells[: max(1, CLEAN_CELLS // self._views)]])
        else:
            cells = cells[: max(1, NORMAL_CELLS // int((~self._defective).sum()))]
        return shown, (mask_net.inputs(shown.fine, shown.coarse)[cells].astype(np.float16), shares[cells])

    def run(
        self,
        views: Iterable[tuple[int, CellView, CellView | None]],
        step: Callable[[], None],
        most_steps: int = mask_net.STEPS,
    ) -> ViewTrial:
        """`views` are all images unflipped, finer and coarser; `step` is called once for each fold and image, and each
        network learns in `most_steps`."""
        seen, shares, group = np.concatenate(self._seen), np.concatenate(self._shares), np.concatenate(self._folds)
        folds = np.unique(self._fold)

        def fitted(_: int, rows: Positions) -> CellNet:
            return mask_net.fit(seen, shares, rows, self._seed, most_steps)

        rows = [*(np.flatnonzero(group != fold) for fold in folds), np.arange(len(group))]
        with closing(in_order(fitted, rows, range(threads()))) as fits:
            *held_out, whole = stepping(fits, step)
        nets = dict(zip(folds, held_out, strict=True))
        known = {fold: shares[group != fold].any(0) for fold in nets}
        values = np.empty(len(self._fold))
        counts = _Counts(self._classes)

        def said(_: int, view: tuple[int, CellView, CellView | None]) -> tuple[int, Size, Floats]:
            at, fine, coarse = view
            return at, fine.grid, mask_net.apply(nets[self._fold[at]], mask_net.inputs(fine, coarse))

        with closing(in_order(said, views, range(threads()))) as answers:
            for at, grid, logits in stepping(answers, step):
                values[at] = worst_logit(logits)
                truth = self._truths.get(at)
                if truth is not None:
                    counts.add(logits, grid, truth, known[self._fold[at]])
        self._level(values, [fold for fold in nets if not known[fold].any()])
        bias, overlap = counts.best()
        return ViewTrial(mask_net.with_background(whole, bias), values - bias, overlap)

    def _level(self, values: npt.NDArray[np.float64], blind: Sequence[int]) -> None:
        """Images of the folds `blind`, all of whose masked images were held out together, get the usual value: their
        network knows no defect, and what it says has another level."""
        unseen = np.isin(self._fold, blind)
        if unseen.any() and not unseen.all():
            values[unseen] = np.median(values[~unseen])


def _on_grid(truth: Truth, grid: Size) -> Floats:
    rows, columns = truth.shape[0] // grid.height, truth.shape[1] // grid.width
    blocks = truth.reshape(grid.height, rows, grid.width, columns, -1)
    shares: Floats = blocks.mean((1, 3), dtype=np.float32).reshape(grid.height * grid.width, -1)
    return shares


class _Counts:
    """Overlaps at every level of the background, as they are served: logits interpolated, the highest wins."""

    def __init__(self, classes: int) -> None:
        self._hits = np.zeros((classes, len(_LEVELS)))
        self._said = np.zeros((classes, len(_LEVELS)))
        self._true = np.zeros((classes, 1))

    def add(self, logits: Floats, grid: Size, truth: Truth, known: npt.NDArray[np.bool_]) -> None:
        """`known` (classes,) are those that the network has seen: of the others nothing can be told."""
        planes = np.stack(
            [_interpolated(logits[:, at] - logits[:, 0], grid, truth.shape) for at in range(1, logits.shape[1])]
        )
        winner, over = planes.argmax(0), planes.max(0)
        passed = np.searchsorted(_LEVELS, over, "left")  # as many levels lie below the logit
        for at in np.flatnonzero(known):
            mine, part = passed[winner == at], truth[..., at].astype(np.float64)
            self._said[at] += _above(mine, None)
            self._hits[at] += _above(mine, part[winner == at])
            self._true[at] += part.sum()

    def best(self) -> tuple[float, float | None]:
        """The level with the best mean overlap, of equal ones the nearest to none; and that overlap, of the classes
        that are there, None without any."""
        union = self._true + self._said - self._hits
        overlap = np.where(union > 0, self._hits / np.maximum(union, 1e-9), 1.0)
        mean = overlap.mean(0)
        at = max(range(len(_LEVELS)), key=lambda at: (mean[at], -abs(_LEVELS[at])))
        there = self._true[:, 0] > 0
        return float(_LEVELS[at]), float(overlap[there, at].mean()) if there.any() else None


def _interpolated(plane: Floats, grid: Size, shape: Sequence[int]) -> Floats:
    image = Image.fromarray(plane.reshape(grid.height, grid.width))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _above(passed: Positions, weights: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    """For each level the number, or sum of weights, of those whose logit is higher."""
    counts = np.bincount(passed, weights, len(_LEVELS) + 1)
    falling: npt.NDArray[np.float64] = np.cumsum(counts[::-1])[::-1][1:].astype(np.float64)
    return falling
