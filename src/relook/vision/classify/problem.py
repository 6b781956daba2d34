"""What is learned from: which images have which labels, and how they are dealt out for cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.labelled import LabelledImage, LabelTask
from relook.vision.problem import MOST_ALIKE
from relook.vision.samples import TrainingError

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

    @property
    def judged(self) -> Positions:
        """The images whose held-out answers tell something. Of a label out of many that a single picture has they do
        not: held out, it is asked of heads that have never seen its label. None, where fewer than two labels are left.
        """
        pictures = [len(np.unique(self.copy_of[self.truths[:, at]])) for at in range(len(self.labels))]
        known = np.array(pictures) >= 2
        if not self.single:
            return np.arange(len(self.images))
        return np.flatnonzero(self.truths[:, known].any(1) & (known.sum() >= 2))

    def part(self, positions: Positions) -> LabelProblem:
        """Only these images."""
        images = [self.images[int(at)] for at in positions]
        return LabelProblem(
            images, self.labels, self.truths[positions], self.copy_of[positions], self.single, self.seed
        )


def problem_of(
    images: Sequence[LabelledImage], labels: Sequence[str], copy_of: Positions, task: LabelTask, seed: int
) -> LabelProblem:
    """With the truths of `images`; a label that is none of `labels` is not looked at. Raises TrainingError where there
    is only one image."""
    if len(images) < 2:
        raise TrainingError("there is only one training image; add others to the training dataset")
    truths = truths_of(images, labels)
    copy_of = _told_apart(copy_of, truths)
    return LabelProblem(images, tuple(labels), truths, copy_of, task is LabelTask.SINGLE_LABEL, seed)


def _told_apart(copy_of: Positions, truths: Flags) -> Positions:
    """`copy_of`, but where hardly any picture of a label would be left, its images are no copies but things that look
    alike, such as blank pictures: each is then one of its own."""
    found = copy_of.copy()
    for has in (*truths.T, np.ones(len(truths), bool)):
        members = np.flatnonzero(has)
        if len(members) >= FOLDS and len(np.unique(copy_of[members])) < max(2, MOST_ALIKE * len(members)):
            found[members] = members
    if len(np.unique(found)) < 2:
        return np.arange(len(found))
    return found


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
    """The images that candidates are compared on: all, or a part."""
    return some(problem, max(COMPARED, min(MOST_COMPARED, COMPARED_OF_LABEL * len(problem.labels))))


def some(problem: LabelProblem, wanted: int) -> Positions:
    """All images, or so many, among which rare labels keep what they have."""
    if len(problem.images) <= wanted:
        return np.arange(len(problem.images))
    order = np.random.default_rng([problem.seed, 51]).permutation(len(problem.images))
    kept = [] if problem.single else _of_each(problem, order, wanted)
    seen: Counter[bytes] = Counter()
    turn = np.empty(len(order), np.int64)
    for at in order:
        sort = problem.truths[at].tobytes()
        turn[at] = seen[sort]
        seen[sort] += 1
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    turn[kept] = -1
    return np.sort(np.lexsort((place, turn))[:wanted])


def _of_each(problem: LabelProblem, order: Positions, wanted: int) -> list[int]:
    """Half of those wanted, of each label as many: sets of labels can be so many that each is there once, and a rare
    label then hardly ever."""
    share = wanted // (2 * len(problem.labels))
    kept: set[int] = set()
    for label in np.argsort(problem.truths.sum(0), kind="stable"):
        having = [int(at) for at in order if problem.truths[at, label]]
        missing = share - sum(at in kept for at in having)
        kept.update([at for at in having if at not in kept][: max(0, missing)])
    return sorted(kept)
