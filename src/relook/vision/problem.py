"""What is learned from, and how it is dealt out for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.memory_bank import BANK_ROWS
from relook.vision.samples import DefectClass, Sample, Task
from relook.vision.scorers.base import Labels
from relook.vision.turns import Turn, turned_copies

Positions = npt.NDArray[np.int64]

FOLDS = 4
FEWEST_ANOMALIES = 4
"""Fewer labelled anomalies than this teach nothing that can be checked; then only normals are learned from."""
MOST_ALIKE = 0.1
"""Part of the images that has to be left when copies are counted once."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Samples, their labels and folds, all of one length.

    `source` is the position of the image a sample was made from: its own, for a synthetic defect the normal's, and for
    copies of one picture the first one's. `copy_of` is the same but for synthetic defects, which have their own.
    `planted` says that the anomalies among the samples are synthetic: they may choose, but set no threshold. Memory
    banks keep `bank_rows` patches. Normal images turned by `turns` look like normal ones.
    """

    samples: Sequence[Sample]
    anomalous: Labels
    fold: Positions
    source: Positions
    task: Task
    classes: Sequence[DefectClass]
    seed: int
    planted: bool = False
    copy_of: Positions | None = None
    """None: no picture is there twice."""
    bank_rows: int = BANK_ROWS
    turns: tuple[Turn, ...] = ()
    suspects: frozenset[str] = frozenset()
    """Keys of normal samples that may be mislabelled: learned from as they lie, and not turned too."""

    @property
    def normal(self) -> Positions:
        """Positions of the normal samples."""
        return np.flatnonzero(~self.anomalous)

    @property
    def distinct(self) -> Positions:
        """Positions of the normal samples, of the copies of a picture one."""
        return self.normal[np.unique(self.source[self.normal], return_index=True)[1]]

    @property
    def turned(self) -> list[tuple[int, Turn]]:
        """Normal samples that are learned from once more, turned so."""
        copies = turned_copies(self.distinct, self.turns, self.seed)
        return [(at, turn) for at, turn in copies if self.samples[at].key not in self.suspects]

    @property
    def ranked(self) -> bool:
        """Whether there are enough labelled anomalies to fit a score and a threshold to."""
        return not self.planted and int(self.anomalous.sum()) >= FEWEST_ANOMALIES

    @property
    def supervised(self) -> bool:
        """Whether labels can teach a head: those of enough anomalies, or masks, however few."""
        return self.ranked or self.task is Task.SEGMENTATION


def assign_folds(anomalous: Labels, seed: int, repeat: int = 0, copy_of: Positions | None = None) -> Positions:
    """Stratified: each label is dealt out over the folds in a seeded order, another one for each `repeat`; samples of
    one `copy_of` together, as the first of them is labelled."""
    rng = np.random.default_rng([seed, 2, repeat])
    fold = np.empty(len(anomalous), np.int64)
    first = np.arange(len(anomalous)) if copy_of is None else copy_of
    for label in (False, True):
        members = rng.permutation(np.flatnonzero((anomalous == label) & (first == np.arange(len(anomalous)))))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold[first]


def too_alike(pictures: int, images: int) -> bool:
    """Whether images of a label show so few different pictures that each is held out by itself all the same."""
    return pictures < max(FOLDS, MOST_ALIKE * images)


def copies_among(keys: Sequence[str], groups: Sequence[Sequence[str]], anomalous: Labels) -> Positions:
    """(samples,) the position of the first sample of the same picture, by `groups` of keys.

    Samples of a label of which hardly any would be left, too few for the folds, keep their own: what is so much alike
    are no copies but products.
    """
    place: dict[str, int] = {}
    for at, key in enumerate(keys):
        place.setdefault(key, at)
    found = np.arange(len(keys))
    for group in groups:
        members = sorted(place[key] for key in group if key in place)
        found[members] = members[0] if members else 0
    for label in (False, True):
        members_of = np.flatnonzero(anomalous == label)
        own = np.isin(found[members_of], members_of)  # a copy that is labelled otherwise goes where that one goes
        if too_alike(len(np.unique(found[members_of][own])), len(members_of)):
            found[members_of] = members_of
    return found
