"""One working size: what the backbone's patches say of every image, and a memory of patches for each group of labels.

Patches are small enough to show a defect that the mean of a picture drowns. What is unlike everything that images of
one group show is evidence for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.backbones import Backbone
from relook.vision.classify.pooling import Blocks, evidence, pooled, stack
from relook.vision.classify.problem import LabelProblem, Positions
from relook.vision.classify.survey import pixels_of
from relook.vision.features import Extractor
from relook.vision.graph import Projection
from relook.vision.images import Pixels, Size
from relook.vision.memory_bank import DIMS, MemoryBank, fit_projection, greedy_coreset
from relook.vision.runtime import Precision

Floats = npt.NDArray[np.float32]
Step = Callable[[], None]
Flip = tuple[bool, bool]
"""Whether rows and columns are mirrored."""

PLAIN: tuple[Flip, ...] = ((False, False),)
ROWS = 2000
"""Of the memories of all groups together. Every patch of every image served is compared with each; with half as many,
what was told of boards hung on the seed."""
REMEMBERED = 200
"""Images of a group that its memory is made from, at most."""
SAMPLED = 20_000
"""Patches of a group that its memory is picked from, at most."""


@dataclass(frozen=True, slots=True)
class Memories:
    """`members` are the pictures that each bank was made from, by `copy_of`; `names` what labels these have."""

    names: tuple[str, ...]
    projection: Projection
    banks: tuple[MemoryBank, ...]
    members: tuple[Positions, ...]

    def describe(self, patches: Floats, picture: int | None) -> Blocks:
        """The evidence of all groups from `patches` (cells, channels).

        For a `picture` of the training images every bank goes without one: its own group's without itself, and
        the others' without another one, or held-out images would be known by what only their own group lacks.
        """
        embedding = patches @ self.projection.weight + self.projection.bias
        place = self._place(picture)
        found: Blocks = {}
        for group, (bank, members) in enumerate(zip(self.banks, self.members, strict=True)):
            if picture is not None and place is not None:
                there = picture in members  # so it is in several where copies of it have other labels
                bank = bank.without(picture if there else int(members[place % len(members)]))
            found |= evidence(embedding, bank, group)
        return found

    def _place(self, picture: int | None) -> int | None:
        """Where the picture stands among those of its group; None when it is in no bank."""
        places = [np.flatnonzero(members == picture) for members in self.members]
        return next((int(place[0]) for place in places if len(place)), None)


@dataclass(frozen=True, slots=True)
class Look:
    """`blocks` of all images (rows, values): every image once for each of `flips`, the image's flips together."""

    size: Size
    grid: Size
    blocks: Blocks
    memories: Memories | None
    flips: tuple[Flip, ...] = PLAIN


def look(
    problem: LabelProblem,
    backbone: Backbone,
    size: Size,
    precision: Precision,
    step: Step,
    flips: tuple[Flip, ...] = PLAIN,
    memories: Memories | None = None,
    remember: bool = True,
) -> Look:
    """All images of `problem` at `size`; `step` is called `steps` times.

    Memories are made where the problem has groups for them, unless they are given or not to be remembered. Memory is
    bounded by the sampled patches and the blocks. Deterministic for a problem and its seed.
    """
    extractor = Extractor(backbone, size, precision)
    if memories is None and remember and problem.groups:
        memories = _remember(problem, extractor, step)
    rows = []
    mirrored = (each for pixels in pixels_of(problem.images) for each in _mirrored(pixels, flips))
    for at, patches in enumerate(extractor.each(mirrored)):
        blocks = pooled(patches, extractor.grid)
        if memories is not None:
            blocks |= memories.describe(patches, int(problem.copy_of[at // len(flips)]))
        rows.append(blocks)
        if at % len(flips) == 0:
            step()
    return Look(size, extractor.grid, stack(rows), memories, flips)


def steps(problem: LabelProblem, remember: bool = True) -> int:
    """How often `look` calls its step when it is given no memories."""
    groups = problem.groups if remember else []
    return len(problem.images) + sum(min(len(members), REMEMBERED) for members in groups)


def _remember(problem: LabelProblem, extractor: Extractor, step: Step) -> Memories:
    rng = np.random.default_rng([problem.seed, 52])
    members = tuple(np.sort(rng.permutation(group)[:REMEMBERED]) for group in problem.groups)
    sampled, source = zip(*(_sample(problem, group, extractor, step) for group in members), strict=True)
    projection = fit_projection(np.concatenate([part[:: len(members)] for part in sampled]), DIMS)
    banks = []
    for patches, origin in zip(sampled, source, strict=True):
        embedding = patches @ projection.weight + projection.bias
        banks.append(greedy_coreset(embedding, origin, ROWS // len(members), np.random.default_rng([problem.seed, 53])))
    pictures = tuple(problem.copy_of[group] for group in members)
    return Memories(tuple(_name(problem, group) for group in members), projection, tuple(banks), pictures)


def _name(problem: LabelProblem, members: Positions) -> str:
    """The labels that all images of a group have."""
    labels = [label for label, has in zip(problem.labels, problem.truths[members[0]], strict=True) if has]
    return " and ".join(labels) or "no label"


def _sample(problem: LabelProblem, members: Positions, extractor: Extractor, step: Step) -> tuple[Floats, Positions]:
    """Patches of the images at `members`, of each as many, and the picture that each is from."""
    share = max(1, SAMPLED // len(members))
    parts, source = [], []
    images: Sequence[int] = [int(at) for at in members]
    stream = extractor.each(pixels_of([problem.images[at] for at in images]))
    for at, patches in zip(images, stream, strict=True):
        drawn = np.random.default_rng([problem.seed, 54, at]).permutation(len(patches))[:share]
        parts.append(patches[drawn])
        source.append(np.full(len(drawn), problem.copy_of[at]))
        step()
    return np.concatenate(parts), np.concatenate(source)


def _mirrored(pixels: Pixels, flips: Sequence[Flip]) -> Iterator[Pixels]:
    for rows, columns in flips:
        yield np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])
