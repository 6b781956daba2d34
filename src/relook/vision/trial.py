"""One working size tried on the training images: features, memory bank, mask head, and every scorer out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision import graph, mask_head
from relook.vision.backbones import Backbone
from relook.vision.calibration import best_threshold
from relook.vision.descriptor import describe
from relook.vision.features import Extractor
from relook.vision.images import Pixels, Size
from relook.vision.memory_bank import (
    BANK_ROWS,
    SAMPLED_PATCHES,
    MemoryBank,
    fit_projection,
    greedy_coreset,
)
from relook.vision.metrics import auroc
from relook.vision.runtime import Precision
from relook.vision.samples import DefectClass, Sample, Task
from relook.vision.scorers import SCORERS
from relook.vision.scorers.base import Labels, Layout, LinearScore, Scorer
from relook.vision.survey import mask_of, pixels_of

FOLDS = 4
FEWEST_ANOMALIES = 4
"""Fewer labelled anomalies than this teach nothing that can be checked; then only normals are learned from."""
_PROJECTED_FROM = 40

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is learned from: samples, their labels and folds, all of one length."""

    samples: Sequence[Sample]
    anomalous: Labels
    fold: npt.NDArray[np.int64]
    task: Task
    classes: Sequence[DefectClass]
    seed: int

    @property
    def supervised(self) -> bool:
        """Whether there are enough anomalies to learn from."""
        return int(self.anomalous.sum()) >= FEWEST_ANOMALIES

    def images(self, at: npt.NDArray[np.int64] | None = None) -> Iterator[Pixels]:
        """Decoded one at a time."""
        chosen = range(len(self.samples)) if at is None else at
        return (pixels_of(self.samples[int(position)]) for position in chosen)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scorer's held-out raw scores, and how good they are: the mean of AUROC, best F1 and, with masks, overlap."""

    scorer: Scorer
    raw: npt.NDArray[np.float64]
    auroc: float
    f1: float
    quality: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything needed to export the model at `size`, and the outcomes that say whether to."""

    size: Size
    grid: Size
    projection: graph.Projection
    bank: MemoryBank
    mask_head: graph.DenseLayers | None
    overlap: float | None
    descriptors: npt.NDArray[np.float64]
    outcomes: tuple[Outcome, ...]

    def fit(self, scorer: Scorer, problem: Problem) -> LinearScore:
        """The scorer on all held-out descriptors."""
        layout = Layout(self.bank.rows.shape[1], self.mask_head is not None)
        return scorer.fit(self.descriptors, problem.anomalous, layout)


def assign_folds(anomalous: Labels, seed: int) -> npt.NDArray[np.int64]:
    """Stratified: each label is dealt out over the folds in a seeded order."""
    rng = np.random.default_rng([seed, 2])
    fold = np.empty(len(anomalous), np.int64)
    for label in (False, True):
        members = rng.permutation(np.flatnonzero(anomalous == label))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def run(problem: Problem, backbone: Backbone, size: Size, precision: Precision, step: Callable[[], None]) -> Trial:
    """Deterministic for a problem and its seed. `step` is called once for each image and fold."""
    rng = np.random.default_rng([problem.seed, 3])
    extractor = Extractor(backbone, size, precision)
    projection = _projection(problem, extractor, rng)
    embeddings = _embeddings(problem, extractor, projection, step)
    bank = _bank(problem, embeddings, rng)
    held_out = [bank.without(at).nearest(embedding.astype(np.float32)) for at, embedding in enumerate(embeddings)]
    logits: list[Floats] | None = None
    head, overlap = None, None
    if problem.task is Task.SEGMENTATION:
        head, logits, overlap = _masks(problem, extractor.grid, embeddings, [pair[0] for pair in held_out], rng, step)
    described = [
        describe(distance, residual, logits[at] if logits is not None else None)
        for at, (distance, residual) in enumerate(held_out)
    ]
    descriptors = np.stack(described)
    outcomes = _outcomes(problem, descriptors, Layout(bank.rows.shape[1], head is not None), overlap)
    return Trial(size, extractor.grid, projection, bank, head, overlap, descriptors, outcomes)


def _projection(problem: Problem, extractor: Extractor, rng: np.random.Generator) -> graph.Projection:
    normal = rng.permutation(np.flatnonzero(~problem.anomalous))[:_PROJECTED_FROM]
    cells = extractor.grid.height * extractor.grid.width
    picks = [np.sort(rng.permutation(cells)[: SAMPLED_PATCHES // len(normal)]) for _ in normal]
    parts: list[Floats] = [np.empty((0, 0), np.float32)] * len(normal)

    def take(position: int, patches: Floats) -> None:
        parts[position] = patches[picks[position]]

    extractor.each(problem.images(normal), take)
    return fit_projection(np.concatenate(parts))


def _embeddings(
    problem: Problem, extractor: Extractor, projection: graph.Projection, step: Callable[[], None]
) -> list[Halves]:
    found: list[Halves] = [np.empty((0, 0), np.float16)] * len(problem.samples)

    def take(position: int, patches: Floats) -> None:
        found[position] = (patches @ projection.weight + projection.bias).astype(np.float16)

    def stepping() -> Iterator[Pixels]:
        for pixels in problem.images():
            yield pixels
            step()

    extractor.each(stepping(), take)
    return found


def _bank(problem: Problem, embeddings: list[Halves], rng: np.random.Generator) -> MemoryBank:
    normal = np.flatnonzero(~problem.anomalous)
    share = max(1, SAMPLED_PATCHES // len(normal))
    parts, groups = [], []
    for at in normal:
        picked = embeddings[at][rng.permutation(len(embeddings[at]))[:share]].astype(np.float32)
        parts.append(picked)
        groups.append(np.full(len(picked), at))
    return greedy_coreset(np.concatenate(parts), np.concatenate(groups), BANK_ROWS, rng)


def _masks(
    problem: Problem,
    grid: Size,
    embeddings: list[Halves],
    distances: list[Floats],
    rng: np.random.Generator,
    step: Callable[[], None],
) -> tuple[graph.DenseLayers, list[Floats], float]:
    """The mask head on all images, its held-out logits for each image, and their overlap with the truth."""
    covers = [_cover(problem, sample, grid) for sample in problem.samples]
    usable = np.array([at for at, covered in enumerate(covers) if covered is not None])
    inputs, labels, folds = [], [], []
    for at in usable:
        covered = covers[at]
        assert covered is not None
        cells, classes = mask_head.sample(covered, len(usable), rng)
        inputs.append(mask_head.context(embeddings[at].astype(np.float32), distances[at], grid)[cells])
        labels.append(classes)
        folds.append(np.full(len(cells), problem.fold[at]))
    x, y, group = np.concatenate(inputs), np.concatenate(labels), np.concatenate(folds)
    logits: list[Floats] = [np.empty((0, 0), np.float32)] * len(embeddings)
    for fold in np.unique(problem.fold):
        head = mask_head.fit(x[group != fold], y[group != fold], len(problem.classes), problem.seed)
        for at in np.flatnonzero(problem.fold == fold):
            logits[at] = mask_head.apply(
                head, mask_head.context(embeddings[at].astype(np.float32), distances[at], grid)
            )
        step()
    truth = [covered for covered in covers if covered is not None]
    bias, overlap = mask_head.choose_bias(np.concatenate([logits[at] for at in usable]), np.concatenate(truth))
    final = mask_head.with_bias(mask_head.fit(x, y, len(problem.classes), problem.seed), bias)
    for values in logits:
        values[:, 0] += bias
    return final, logits, overlap


def _cover(problem: Problem, sample: Sample, grid: Size) -> Floats | None:
    if sample.mask is None:
        return None if sample.anomalous else np.zeros((grid.height * grid.width, len(problem.classes)), np.float32)
    pixels = pixels_of(sample)
    mask = mask_of(sample, problem.classes, Size(*pixels.shape[:2]))
    return None if mask is None else mask_head.cover(mask, grid, len(problem.classes))


def _outcomes(
    problem: Problem, descriptors: npt.NDArray[np.float64], layout: Layout, overlap: float | None
) -> tuple[Outcome, ...]:
    usable = [
        scorer
        for scorer in SCORERS
        if (problem.supervised or not scorer.supervised) and (layout.masks or not scorer.needs_masks)
    ]
    return tuple(_outcome(problem, descriptors, layout, scorer, overlap) for scorer in usable)


def _outcome(
    problem: Problem,
    descriptors: npt.NDArray[np.float64],
    layout: Layout,
    scorer: Scorer,
    overlap: float | None,
) -> Outcome:
    raw = np.empty(len(descriptors))
    if scorer.supervised:
        for fold in np.unique(problem.fold):
            rest = problem.fold != fold
            raw[~rest] = scorer.fit(descriptors[rest], problem.anomalous[rest], layout).apply(descriptors[~rest])
    else:
        raw = scorer.fit(descriptors, problem.anomalous, layout).apply(descriptors)
    area = auroc(raw, problem.anomalous) or 0.0
    f1 = _f1(raw, problem.anomalous) if problem.supervised else 0.0
    parts = [area, f1, overlap] if overlap is not None else [area, f1]
    return Outcome(scorer, raw, area, f1, float(np.mean(parts)))


def _f1(raw: npt.NDArray[np.float64], anomalous: Labels) -> float:
    said = raw >= best_threshold(raw, anomalous)
    return float(2 * (said & anomalous).sum() / (said.sum() + anomalous.sum()))
