"""The patches of all training images at one size, projected: kept while they fit in memory, else computed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from relook.vision.features import Extractor
from relook.vision.graph import Projection
from relook.vision.images import Pixels, Size
from relook.vision.memory_bank import SAMPLED_PATCHES, MemoryBank, fit_projection, greedy_coreset
from relook.vision.samples import Sample
from relook.vision.survey import pixels_of

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Positions = npt.NDArray[np.int64]

KEPT_BYTES = 512 * 1024 * 1024
"""Embeddings beyond this are not kept: memory then no longer grows with the number of images, and time by a third."""
_PROJECTED_FROM = 40


def project(samples: Sequence[Sample], normal: Positions, extractor: Extractor, seed: int) -> Projection:
    """The projection fitted to patches of some of the normal images."""
    rng = np.random.default_rng([seed, 3])
    chosen = rng.permutation(normal)[:_PROJECTED_FROM]
    cells = extractor.grid.height * extractor.grid.width
    picks = [np.sort(rng.permutation(cells)[: SAMPLED_PATCHES // len(chosen)]) for _ in chosen]
    images = (pixels_of(samples[int(at)]) for at in chosen)
    return fit_projection(
        np.concatenate([patches[pick] for patches, pick in zip(extractor.each(images), picks, strict=True)])
    )


class Embeddings:
    """(cells, dims) of each of `samples`, at the extractor's grid."""

    def __init__(
        self, samples: Sequence[Sample], extractor: Extractor, projection: Projection, budget: int | None = None
    ) -> None:
        self._samples = samples
        self._extractor = extractor
        self._projection = projection
        needed = 2 * len(samples) * self.grid.height * self.grid.width * projection.weight.shape[1]
        self._kept: dict[int, Halves] | None = {} if needed <= (KEPT_BYTES if budget is None else budget) else None

    @property
    def grid(self) -> Size:
        """Rows and columns of patches."""
        return self._extractor.grid

    def each(self, positions: Iterable[int] | None = None) -> Iterator[tuple[int, Floats]]:
        """(position, embedding) of the images at `positions` in that order, or of all.

        Rounded to float16 whether kept or not, so that every pass sees the same numbers.
        """
        wanted = [int(at) for at in (range(len(self._samples)) if positions is None else positions)]
        kept = self._kept if self._kept is not None else {}
        fresh = self._extractor.each(self._pixels([at for at in wanted if at not in kept]))
        for at in wanted:
            halves = kept.get(at)
            if halves is None:
                patches = next(fresh)
                halves = (patches @ self._projection.weight + self._projection.bias).astype(np.float16)
                if self._kept is not None:
                    self._kept[at] = halves
            yield at, halves.astype(np.float32)

    def mirrored(self, at: int, flips: Sequence[tuple[bool, bool]]) -> Iterator[Floats]:
        """(cells, dims) of one image mirrored by rows, columns or both; never kept."""
        pixels = pixels_of(self._samples[at])
        turned = (pixels[:: -1 if rows else 1, :: -1 if columns else 1] for rows, columns in flips)
        for patches in self._extractor.each(np.ascontiguousarray(each) for each in turned):
            yield patches @ self._projection.weight + self._projection.bias

    def _pixels(self, positions: Sequence[int]) -> Iterator[Pixels]:
        return (pixels_of(self._samples[at]) for at in positions)


def remember(
    embeddings: Iterable[tuple[int, Floats]], normals: int, rows: int, seed: int, source: Positions
) -> MemoryBank:
    """The bank of `normals` normal images, picked from an equal number of patches of each; `source` is the number under
    which each position is left out."""
    share = max(1, SAMPLED_PATCHES // normals)
    parts, sources = [], []
    for at, embedding in embeddings:
        picked = np.random.default_rng([seed, 4, at]).permutation(len(embedding))[:share]
        parts.append(embedding[picked])
        sources.append(np.full(len(picked), source[at]))
    return greedy_coreset(np.concatenate(parts), np.concatenate(sources), rows, np.random.default_rng([seed, 5]))
