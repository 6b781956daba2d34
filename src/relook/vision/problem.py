"""What is learned from, and how it is dealt out for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.samples import DefectClass, Sample, Task
from relook.vision.scorers.base import Labels

Positions = npt.NDArray[np.int64]

FOLDS = 4
FEWEST_ANOMALIES = 4
"""Fewer labelled anomalies than this teach nothing that can be checked; then only normals are learned from."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Samples, their labels and folds, all of one length.

    `source` is the position of the image a sample was made from: its own, or for a synthetic defect the normal's.
    `planted` says that the anomalies among the samples are synthetic: they may choose, but set no threshold.
    """

    samples: Sequence[Sample]
    anomalous: Labels
    fold: Positions
    source: Positions
    task: Task
    classes: Sequence[DefectClass]
    seed: int
    planted: bool = False

    @property
    def normal(self) -> Positions:
        """Positions of the normal samples."""
        return np.flatnonzero(~self.anomalous)

    @property
    def ranked(self) -> bool:
        """Whether there are enough labelled anomalies to fit a score and a threshold to."""
        return not self.planted and int(self.anomalous.sum()) >= FEWEST_ANOMALIES

    @property
    def supervised(self) -> bool:
        """Whether labels can teach a head: those of enough anomalies, or masks, however few."""
        return self.ranked or self.task is Task.SEGMENTATION


def assign_folds(anomalous: Labels, seed: int, repeat: int = 0) -> Positions:
    """Stratified: each label is dealt out over the folds in a seeded order, another one for each `repeat`."""
    rng = np.random.default_rng([seed, 2, repeat])
    fold = np.empty(len(anomalous), np.int64)
    for label in (False, True):
        members = rng.permutation(np.flatnonzero(anomalous == label))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold
