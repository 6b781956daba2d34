"""What is learned from: which images have which labels, and how they are dealt out for cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.labelled import LabelledImage, LabelTask

Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

FOLDS = 5
MOST_GROUPS = 4
FEWEST_OF_GROUP = 4
COMPARED = 400
COMPARED_OF_LABEL = 4
MOST_COMPARED = 800


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """`truths` (images, labels). `copy_of` (images,) is the same number for copies of one picture."""

    images: Sequence[LabelledImage]
    labels: tuple[str, ...]
    truths: Flags
    copy_of: Positions
    single: bool
    seed: int

    @property
    def groups(self) -> list[Positions]:
        """Images of each set of labels that occurs, for a memory of each; none where these are many or tiny."""
        _, place = np.unique(self.truths, axis=0, return_inverse=True)
        members = [np.flatnonzero(place.ravel() == at) for at in range(int(place.max()) + 1)]
        usable = 2 <= len(members) <= MOST_GROUPS and min(len(each) for each in members) >= FEWEST_OF_GROUP
        return members if usable else []

    def part(self, positions: Positions) -> LabelProblem:
        """Only these images."""
        images = [self.images[int(at)] for at in positions]
        return LabelProblem(
            images, self.labels, self.truths[positions], self.copy_of[positions], self.single, self.seed
        )


def problem_of(
    images: Sequence[LabelledImage], labels: Sequence[str], copy_of: Positions, task: LabelTask, seed: int
) -> LabelProblem:
    """With the truths of `images`; a label that is none of `labels` is not looked at."""
    truths = truths_of(images, labels)
    return LabelProblem(images, tuple(labels), truths, copy_of, task is LabelTask.SINGLE_LABEL, seed)


def truths_of(images: Sequence[LabelledImage], labels: Sequence[str]) -> Flags:
    """(images, labels)."""
    return np.array([[label in image.labels for label in labels] for image in images], bool)


def deal(problem: LabelProblem, repeat: int) -> Positions:
    """(images,) folds: the images of each label, counted by its rarest, are dealt out in a seeded order, copies of one
    picture together."""
    rng = np.random.default_rng([problem.seed, 50, repeat])
    counts = problem.truths.sum(0)
    rarest = np.where(problem.truths, counts, np.iinfo(np.int64).max).argmin(1)
    stratum = np.where(problem.truths.any(1), rarest, -1)
    units, first = np.unique(problem.copy_of, return_index=True)
    fold_of_unit = np.empty(len(units), np.int64)
    next_fold = 0
    for label in np.unique(stratum[first]):
        members = rng.permutation(np.flatnonzero(stratum[first] == label))
        fold_of_unit[members] = (next_fold + np.arange(len(members))) % FOLDS
        next_fold += len(members)  # so that labels of few images do not all lie in the first fold
    folds: Positions = fold_of_unit[np.searchsorted(units, problem.copy_of)]
    return folds


def compared(problem: LabelProblem) -> Positions:
    """The images that candidates are compared on: all, or a part in which rare labels keep what they have."""
    wanted = max(COMPARED, min(MOST_COMPARED, COMPARED_OF_LABEL * len(problem.labels)))
    if len(problem.images) <= wanted:
        return np.arange(len(problem.images))
    order = np.random.default_rng([problem.seed, 51]).permutation(len(problem.images))
    seen: Counter[bytes] = Counter()
    turn = np.empty(len(order), np.int64)
    for at in order:
        sort = problem.truths[at].tobytes()
        turn[at] = seen[sort]
        seen[sort] += 1
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return np.sort(np.lexsort((place, turn))[:wanted])
