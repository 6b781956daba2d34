"""One working size tried on the training images: features, memory bank, mask head, and every scorer out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision import graph
from relook.vision.backbones import Backbone
from relook.vision.calibration import best_threshold, fit_platt
from relook.vision.descriptor import describe
from relook.vision.embeddings import Embeddings, project, remember
from relook.vision.features import Extractor
from relook.vision.images import Size
from relook.vision.mask_trial import MaskCells
from relook.vision.memory_bank import BANK_ROWS, MemoryBank
from relook.vision.metrics import auroc
from relook.vision.runtime import Precision
from relook.vision.samples import DefectClass, Sample, Task
from relook.vision.scorers import SCORERS
from relook.vision.scorers.base import Labels, Layout, LinearScore, Scorer

FOLDS = 4
FEWEST_ANOMALIES = 4
"""Fewer labelled anomalies than this teach nothing that can be checked; then only normals are learned from."""
REPEATS = 5
"""Scorers are compared over this many ways to deal out the folds: one way is luck with a few dozen images."""

Floats = npt.NDArray[np.float32]


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """The score to serve, held-out raw scores, and how good these are.

    `quality` is the mean of AUROC, of `information` (the part of the label's uncertainty that the calibrated score
    takes away) and, with masks, of their overlap. F1 moves by whole images: for the report only.
    """

    scorer: Scorer
    score: LinearScore
    raw: npt.NDArray[np.float64]
    auroc: float
    f1: float
    information: float
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
    outcomes: tuple[Outcome, ...]


def assign_folds(anomalous: Labels, seed: int, repeat: int = 0) -> npt.NDArray[np.int64]:
    """Stratified: each label is dealt out over the folds in a seeded order, another one for each `repeat`."""
    rng = np.random.default_rng([seed, 2, repeat])
    fold = np.empty(len(anomalous), np.int64)
    for label in (False, True):
        members = rng.permutation(np.flatnonzero(anomalous == label))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def steps(problem: Problem) -> int:
    """How often `run` calls its step."""
    images = len(problem.samples)
    masks = images + len(np.unique(problem.fold)) if problem.task is Task.SEGMENTATION else 0
    return int((~problem.anomalous).sum()) + images + masks


def run(problem: Problem, backbone: Backbone, size: Size, precision: Precision, step: Callable[[], None]) -> Trial:
    """Deterministic for a problem and its seed; `step` is called `steps(problem)` times.

    Memory is bounded by the bank, the sampled patches and `KEPT_BYTES` of embeddings; time is linear in the images.
    """
    extractor = Extractor(backbone, size, precision)
    normal = np.flatnonzero(~problem.anomalous)
    projection = project(problem.samples, normal, extractor, problem.seed)
    embeddings = Embeddings(problem.samples, extractor, projection)
    bank = remember(_stepping(embeddings.each(normal), step), len(normal), BANK_ROWS, problem.seed)
    masks = None
    if problem.task is Task.SEGMENTATION:
        masks = MaskCells(problem.samples, problem.classes, problem.fold, problem.seed)
    described = []
    for at, embedding in _stepping(embeddings.each(), step):
        distance, residual = bank.without(at).nearest(embedding)
        described.append(describe(distance, residual, None))
        if masks is not None:
            masks.add(at, embedding, distance, embeddings.grid)
    descriptors = np.stack(described)
    tried = masks.run(embeddings, step) if masks is not None else None
    if tried is not None:
        descriptors = np.concatenate([descriptors, tried.values[:, None]], axis=1)
    head, overlap = (tried.head, tried.overlap) if tried is not None else (None, None)
    outcomes = _outcomes(problem, descriptors, Layout(bank.rows.shape[1], head is not None), overlap)
    return Trial(size, extractor.grid, projection, bank, head, overlap, outcomes)


def _stepping(images: Iterator[tuple[int, Floats]], step: Callable[[], None]) -> Iterator[tuple[int, Floats]]:
    for entry in images:
        yield entry
        step()


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
    raws, score = _held_out(problem, descriptors, layout, scorer)
    area = float(np.mean([auroc(raw, problem.anomalous) or 0.0 for raw in raws]))
    f1 = float(np.mean([_f1(raw, problem.anomalous) for raw in raws])) if problem.supervised else 0.0
    information = float(np.mean([_information(raw, problem) for raw in raws])) if problem.supervised else 0.0
    parts = [area, information, overlap] if overlap is not None else [area, information]
    return Outcome(scorer, score, np.mean(raws, axis=0), area, f1, information, float(np.mean(parts)))


def _held_out(
    problem: Problem, descriptors: npt.NDArray[np.float64], layout: Layout, scorer: Scorer
) -> tuple[list[npt.NDArray[np.float64]], LinearScore]:
    """Raw scores of images the scorer was not fitted on, once for each way to deal out the folds; and the score to
    serve: the mean of all that were fitted (bagging by cross-validation), because a threshold chosen on their
    held-out scores is right for them, and not for a score fitted on all images, which is steeper.
    """
    if not scorer.supervised:
        score = scorer.fit(descriptors, problem.anomalous, layout)
        return [score.apply(descriptors)], score
    raws, fitted = [], []
    for repeat in range(REPEATS):
        deal = problem.fold if repeat == 0 else assign_folds(problem.anomalous, problem.seed, repeat)
        raw = np.empty(len(descriptors))
        for fold in np.unique(deal):
            rest = deal != fold
            fitted.append(scorer.fit(descriptors[rest], problem.anomalous[rest], layout))
            raw[~rest] = fitted[-1].apply(descriptors[~rest])
        raws.append(raw)
    weights = np.mean([score.weights for score in fitted], axis=0)
    return raws, LinearScore(weights, float(np.mean([score.bias for score in fitted])))


def _information(raw: npt.NDArray[np.float64], problem: Problem) -> float:
    """1 - log-loss over the loss of always saying the labels' shares; 0 at worst."""
    calibration = fit_platt(raw, problem.anomalous)
    t = calibration.slope * raw + calibration.offset
    loss = float(np.mean(np.logaddexp(0.0, np.where(problem.anomalous, -t, t))))
    share = float(problem.anomalous.mean())
    prior = float(-(share * np.log(share) + (1 - share) * np.log(1 - share)))
    return max(0.0, 1 - loss / prior)


def _f1(raw: npt.NDArray[np.float64], anomalous: Labels) -> float:
    said = raw >= best_threshold(raw, anomalous)
    return float(2 * (said & anomalous).sum() / (said.sum() + anomalous.sum()))
