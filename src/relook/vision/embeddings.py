"""The patches of all training images at one size, projected: what fits in memory is kept, the rest computed again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby

import numpy as np
import numpy.typing as npt

from relook.control_groups import free_memory
from relook.vision.features import Extractor
from relook.vision.graph import Projection
from relook.vision.images import Pixels, Size, resize
from relook.vision.memory_bank import DIMS, SAMPLED_PATCHES, MemoryBank, fit_projection, greedy_coreset, remote
from relook.vision.samples import Sample
from relook.vision.survey import pixels_of
from relook.vision.turns import Turn

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Positions = npt.NDArray[np.int64]

KEPT_BYTES = 5 << 28
KEPT_PART = 0.25
"""Of one size, of which two are held at a time, embeddings beyond 1.25 GiB, or this part of the free memory, are not
kept: memory then no longer grows with the number of images, but those are computed anew in each pass. What comes out is
the same."""
DRAWN_PATCHES = 4 * SAMPLED_PATCHES
"""The bank's patches are sampled from so many, drawn evenly."""
PROJECTED_FROM = 40
"""Normal images whose patches say what to project on."""


def project(samples: Sequence[Sample], normal: Positions, extractor: Extractor, seed: int) -> Projection:
    """The projection fitted to patches of some of the normal images."""
    rng = np.random.default_rng([seed, 3])
    chosen = rng.permutation(normal)[:PROJECTED_FROM]
    cells = extractor.grid.height * extractor.grid.width
    picks = [np.sort(rng.permutation(cells)[: SAMPLED_PATCHES // len(chosen)]) for _ in chosen]
    images = (pixels_of(samples[int(at)]) for at in chosen)
    return fit_projection(
        np.concatenate([patches[pick] for patches, pick in zip(extractor.each(images), picks, strict=True)])
    )


def kept(grid: Size, dims: int = DIMS) -> int:
    """The number of images whose embeddings fit into memory."""
    return int(min(KEPT_BYTES, _most()) // (2 * grid.height * grid.width * dims))


@cache
def _most() -> float:
    """Bytes, as the memory was when this process first asked."""
    found = free_memory()
    return math.inf if found is None else KEPT_PART * found[0]


class Embeddings:
    """(cells, dims) of each of `samples`, at the extractor's grid."""

    def __init__(self, samples: Sequence[Sample], extractor: Extractor, projection: Projection) -> None:
        self._samples = samples
        self._extractor = extractor
        self._projection = projection
        self._room = kept(self.grid, projection.weight.shape[1])
        self._kept: dict[int, Halves] = {}

    @property
    def grid(self) -> Size:
        """Rows and columns of patches."""
        return self._extractor.grid

    def each(self, positions: Iterable[int] | None = None) -> Iterator[tuple[int, Floats]]:
        """(position, embedding) of the images at `positions` in that order, or of all.

        Rounded to float16 whether kept or not, so that every pass sees the same numbers.
        """
        wanted = [int(at) for at in (range(len(self._samples)) if positions is None else positions)]
        missing = {at for at in wanted if at not in self._kept}
        fresh = self._extractor.each(self._pixels([at for at in wanted if at in missing]))
        for at in wanted:
            if at not in missing:
                halves = self._kept[at]
            else:
                patches = next(fresh)
                halves = self._projected(patches).astype(np.float16)
                if len(self._kept) < self._room:
                    self._kept[at] = halves
            yield at, halves.astype(np.float32)

    def turned(self, shown: Sequence[tuple[int, Turn]]) -> Iterator[Floats]:
        """(cells, dims) of images turned, those that lie `sideways` last; never kept."""
        for sideways, some in groupby(shown, lambda each: each[1].sideways):
            extractor = self._extractor.sideways() if sideways else self._extractor
            for patches in extractor.each(self._shown(some)):
                yield self._projected(patches)

    def _projected(self, patches: Floats) -> Floats:
        found: Floats = patches @ self._projection.weight
        found += self._projection.bias
        return found

    def _shown(self, shown: Iterable[tuple[int, Turn]]) -> Iterator[Pixels]:
        """An image that is turned several times in a row is read once."""
        for at, turns in groupby(shown, lambda each: each[0]):
            pixels = resize(pixels_of(self._samples[at]), self._extractor.size)
            for _, turn in turns:
                yield turn.apply(pixels)

    def _pixels(self, positions: Sequence[int]) -> Iterator[Pixels]:
        return (pixels_of(self._samples[at]) for at in positions)


def remember(
    embeddings: Iterable[tuple[int, Floats]], images: int, rows: int, seed: int, source: Positions
) -> MemoryBank:
    """The bank of so many normal images, picked from an equal number of patches of each, of which the `remote` ones;
    `source` is the number under which each position is left out."""
    share = max(1, DRAWN_PATCHES // images)
    parts, sources = [], []
    for number, (at, embedding) in enumerate(embeddings):
        picked = np.random.default_rng([seed, 4, number]).permutation(len(embedding))[:share]
        parts.append(embedding[picked])
        sources.append(np.full(len(picked), source[at]))
    patches, origins = np.concatenate(parts), np.concatenate(sources)
    some = remote(patches, SAMPLED_PATCHES, np.random.default_rng([seed, 15]))
    return greedy_coreset(patches[some], origins[some], rows, np.random.default_rng([seed, 5]))
