"""The mask head tried on the training images: fitted out of fold, its background level chosen, fitted on all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision import graph, mask_head
from relook.vision.descriptor import worst_logit
from relook.vision.embeddings import Embeddings
from relook.vision.images import Size
from relook.vision.samples import DefectClass, Sample
from relook.vision.survey import image_of, mask_of

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

Guess = Callable[[bool, Floats], Floats]
"""(anomalous, distances (cells,)) to covered shares (cells, classes)."""

LEVELLED_FROM = 200
"""The background's level is chosen on at most this many images."""


@dataclass(frozen=True, slots=True)
class MaskTrial:
    """`values` (images,) is each image's held-out `worst_logit`; `overlap` the held-out mean overlap of the classes."""

    head: graph.DenseLayers
    values: npt.NDArray[np.float64]
    overlap: float


class MaskCells:
    """Collects cells to train on, one image after the other; images without a known mask give none.

    `guess` takes the place of masks: from an image's label and distances to the shares its cells are covered by.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: Sequence[DefectClass],
        fold: Positions,
        seed: int,
        guess: Guess | None = None,
    ) -> None:
        self._samples = samples
        self._classes = classes
        self._fold = fold
        self._seed = seed
        self._guess = guess
        self.usable = [
            at for at, sample in enumerate(samples) if guess or sample.mask is not None or not sample.anomalous
        ]
        self._inputs: list[Floats] = []
        self._labels: list[Positions] = []
        self._folds: list[Positions] = []
        self._distances: list[Floats] = []
        known = np.random.default_rng([seed, 6]).permutation(self.usable)[:LEVELLED_FROM]
        self._covers: dict[int, Floats | None] = dict.fromkeys(int(at) for at in known)

    def add(self, at: int, embedding: Floats, distance: Floats, grid: Size) -> None:
        """Image `at` (they come in order) with its held-out distances."""
        self._distances.append(distance)
        covered = self._cover(at, distance, grid)
        if covered is None:
            return
        rng = np.random.default_rng([self._seed, 7, at])
        cells, labels = mask_head.sample(covered, len(self.usable), rng)
        self._inputs.append(mask_head.context(embedding, distance, grid)[cells])
        self._labels.append(labels)
        self._folds.append(np.full(len(cells), self._fold[at]))
        if at in self._covers:
            self._covers[at] = covered

    def run(self, embeddings: Embeddings, step: Callable[[], None]) -> MaskTrial:
        """`step` is called once for each fold and image."""
        x, y, group = np.concatenate(self._inputs), np.concatenate(self._labels), np.concatenate(self._folds)
        heads = {}
        for fold in np.unique(self._fold):
            heads[fold] = mask_head.fit(x[group != fold], y[group != fold], len(self._classes), self._seed)
            step()
        values = np.empty(len(self._samples))
        known = []
        for at, embedding in embeddings.each():
            inputs = mask_head.context(embedding, self._distances[at], embeddings.grid)
            logits = mask_head.apply(heads[self._fold[at]], inputs)
            values[at] = worst_logit(logits)
            covered = self._covers.get(at)
            if covered is not None:
                known.append((logits, covered))
            step()
        bias, overlap = mask_head.choose_bias(*(np.concatenate(part) for part in zip(*known, strict=True)))
        final = mask_head.with_bias(mask_head.fit(x, y, len(self._classes), self._seed), bias)
        return MaskTrial(final, values - bias, overlap)

    def _cover(self, at: int, distance: Floats, grid: Size) -> Floats | None:
        sample = self._samples[at]
        if self._guess is not None:
            return self._guess(sample.anomalous, distance)
        if sample.mask is None:
            cells = grid.height * grid.width
            return None if sample.anomalous else np.zeros((cells, len(self._classes)), np.float32)
        mask = mask_of(sample, self._classes, image_of(sample).size)
        return None if mask is None else mask_head.cover(mask, grid, len(self._classes))
