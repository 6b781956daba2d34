"""A bounded memory of normal patches: PCA, greedy coreset, nearest neighbours (PatchCore, Roth et al., 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from relook.vision.descriptor import worst_count
from relook.vision.graph import Projection

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

DIMS = 96
BANK_ROWS = 1500
SAMPLED_PATCHES = 30_000
"""The coreset is picked from at most this many: its time is rows x patches."""
_NEAR = 300
"""Patches that all others are measured from when they are sampled."""
_TINY = 1e-9
_CHUNK = 1024
_AT_ONCE = 256
"""Patches whose products with the bank are held at a time: they then stay in the processor's cache."""
_IMAGES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """rows (m, dims); source (m,) is the position of the image each row came from."""

    rows: Floats
    source: Positions
    stand_ins: StandIns | None = None

    def without(self, image: int) -> MemoryBank:
        """What the bank would be without one image: leaving out more would make normals look stranger than new ones
        will. Stand-ins come in for its rows.

        All of it when nothing else is there: the other images are then copies, which the coreset had no use for.
        """
        keep = self.source != image
        rows, source = self.rows[keep], self.source[keep]
        if self.stand_ins is not None:
            called = self.stand_ins.absent == image
            rows = np.concatenate([rows, self.stand_ins.rows[called]])
            source = np.concatenate([source, self.stand_ins.source[called]])
        return MemoryBank(rows, source) if len(rows) else self

    def nearest(self, embeddings: Floats, weight: Floats | None = None) -> tuple[Floats, Floats]:
        """Distance (n,) from the nearest row, times `weight` (n,), and the residual (k, dims) of the worst patches."""
        distance = self.distances(embeddings)
        if weight is not None:
            distance *= weight
        return distance, self.residual(embeddings, distance)

    def distances(self, embeddings: Floats) -> Floats:
        """(n,) from the nearest row."""
        half_squares, columns = np.square(self.rows).sum(1) / 2, np.ascontiguousarray(self.rows.T)
        distance = np.empty(len(embeddings), np.float32)
        room = np.empty((min(_AT_ONCE, len(embeddings)), len(self.rows)), np.float32)
        for start in range(0, len(embeddings), _AT_ONCE):
            part = embeddings[start : start + _AT_ONCE]
            bracket = np.matmul(part, columns, out=room[: len(part)])
            bracket -= half_squares
            distance[start : start + _AT_ONCE] = np.sqrt(np.maximum(np.square(part).sum(1) - 2 * bracket.max(1), 0))
        return distance

    def residual(self, embeddings: Floats, distance: Floats) -> Floats:
        """(k, dims): what the patches of the largest `distance` are more than their nearest rows."""
        chosen = embeddings[np.argsort(-distance, kind="stable")[: worst_count(len(distance))]]
        half_squares = np.square(self.rows).sum(1) / 2
        found: Floats = chosen - self.rows[(chosen @ self.rows.T - half_squares).argmax(1)]
        return found


@dataclass(frozen=True, slots=True)
class StandIns:
    """Patches that come into a bank when an image goes; `source` (k,) are their own images, `absent` (k,) the image
    each stands in for.

    An image's rows also stood for patches like them in other images, which were passed over for that reason. Without
    these the image would be judged by a memory with holes where it lies itself, and look stranger than a new one.
    """

    rows: Floats
    source: Positions
    absent: Positions


def fit_projection(patches: Floats, dims: int = DIMS) -> Projection:
    """Divide each channel by the root of its deviation, then the leading principal axes, unscaled.

    Half way to standardising: in full it makes much of channels that carry mostly noise, not at all lets a few rule.
    """
    mean, deviation = patches.mean(0), np.sqrt(patches.std(0) + 1e-3)
    standard = (patches - mean) / deviation
    covariance = standard.T.astype(np.float64) @ standard / len(standard)
    _, axes = np.linalg.eigh(covariance)
    leading = axes[:, ::-1][:, : min(dims, axes.shape[1])]
    leading = leading * np.where(leading[np.abs(leading).argmax(0), np.arange(leading.shape[1])] < 0, -1, 1)
    weight = (leading / deviation[:, None]).astype(np.float32)
    return Projection(np.ascontiguousarray(weight), (-(mean @ weight)).astype(np.float32))


def remote(patches: Floats, count: int, rng: np.random.Generator) -> Positions:
    """Positions of `count` patches, or of all, in order: some at random, the others without repetition in proportion to
    the square of their distance from these (D2 sampling, Arthur and Vassilvitskii, 2007; weighted drawing after
    Efraimidis and Spirakis, 2006). A small part on a wide background has few patches, and an even draw leaves most of
    them out. Time: `_NEAR` x len(patches).
    """
    if len(patches) <= count:
        return np.arange(len(patches))
    few = rng.permutation(len(patches))[: min(_NEAR, count)]
    distance = MemoryBank(patches[few], few).distances(patches)
    # the logarithm of a uniform number, which is negative, over the weight
    keys = np.log1p(-rng.random(len(patches))) / np.maximum(np.square(distance, dtype=np.float64), _TINY)
    keys[few] = 0.0
    return np.sort(np.argpartition(-keys, count)[:count])


def greedy_coreset(patches: Floats, source: Positions, rows: int, rng: np.random.Generator) -> MemoryBank:
    """The k-centre greedy choice: always the patch farthest from those taken. Time: rows x len(patches)."""
    if len(patches) <= rows:
        return MemoryBank(patches, source)
    squares = np.square(patches).sum(1)
    taken = [int(rng.integers(len(patches)))]
    distance = np.full(len(patches), np.inf, np.float32)
    for _ in range(rows - 1):
        last = taken[-1]
        np.minimum(distance, squares + squares[last] - 2 * (patches @ patches[last]), out=distance)
        taken.append(int(distance.argmax()))
    bank = MemoryBank(patches[taken], source[taken])
    return replace(bank, stand_ins=_stand_ins(bank, patches, source))


def _stand_ins(bank: MemoryBank, patches: Floats, source: Positions) -> StandIns | None:
    """For each image as many of the others' patches as it has rows: those that the greedy choice takes next where its
    rows are not there. None where all are of one image.

    Time: twice that of the choice, but in products of matrices, for the images are gone through side by side.
    """
    if (source == source[0]).all():
        return None
    squares = np.square(patches).sum(1)
    nearest, owner, other = _two_nearest(bank, patches, squares)
    images, lacking = np.unique(bank.source, return_counts=True)
    most_first = np.argsort(-lacking, kind="stable")
    images, lacking = images[most_first], lacking[most_first]
    found, absent = [], []
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        some, lack = images[start : start + _IMAGES_AT_ONCE], lacking[start : start + _IMAGES_AT_ONCE]
        distance = np.where(owner == some[:, None], other, nearest)
        distance[source == some[:, None]] = -np.inf  # none of its own
        for step in range(lack[0]):
            open_ = int((lack > step).sum())
            chosen = distance[:open_].argmax(1)
            found.append(chosen)
            absent.append(some[:open_])
            beside = squares + squares[chosen, None] - 2 * (patches[chosen] @ patches.T)
            np.minimum(distance[:open_], beside, out=distance[:open_])
    taken = np.concatenate(found)
    return StandIns(patches[taken], source[taken], np.concatenate(absent))


def _two_nearest(bank: MemoryBank, patches: Floats, squares: Floats) -> tuple[Floats, Positions, Floats]:
    """Of each patch the squared distance from the nearest row, that row's image, and the squared distance from the
    nearest row of any other image: (n,) each."""
    halves = np.square(bank.rows).sum(1) / 2
    nearest, other = np.empty(len(patches), np.float32), np.empty(len(patches), np.float32)
    owner = np.empty(len(patches), np.int64)
    for start in range(0, len(patches), _CHUNK):
        part = slice(start, start + _CHUNK)
        nearness = patches[part] @ bank.rows.T - halves
        best = nearness.argmax(1)
        owner[part] = bank.source[best]
        nearest[part] = squares[part] - 2 * nearness[np.arange(len(best)), best]
        nearness[owner[part, None] == bank.source] = -np.inf
        other[part] = squares[part] - 2 * nearness.max(1)  # infinite where all rows are of one image
    return nearest, owner, other
