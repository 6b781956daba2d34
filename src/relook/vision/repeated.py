"""What sets of the same picture mean for a training with labels, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from relook.vision.naming import listed

Groups = Sequence[Sequence[int]]
"""Sets of positions, in order, at which the same picture is: training images first, then test images."""


def firsts(groups: Groups, training: int) -> npt.NDArray[np.int64]:
    """(training images,): the position of the first copy, an image's own where there is no other."""
    first = np.arange(training)
    for group in groups:
        inside = [at for at in group if at < training]
        first[inside] = inside[:1]
    return first


def leaked(groups: Groups, training: int) -> list[int]:
    """Positions of test images that are in training, too."""
    return sorted(at for group in groups if group[0] < training for at in group if at >= training)


def leakage(keys: Sequence[str], groups: Groups, training: int) -> Iterator[str]:
    """What makes the figures doubtful. `keys` of all images."""
    found = [keys[at] for at in leaked(groups, training)]
    if found:
        count = "1 test image is" if len(found) == 1 else f"{len(found)} test images are"
        yield (
            f"{count} in training, too, as copies: the figures of the test will be too good; keep each picture once "
            f"({listed(found)})."
        )


def repetition(keys: Sequence[str], groups: Groups, training: int) -> Iterator[str]:
    """Copies within training."""
    repeated = [inside for group in groups if len(inside := [at for at in group if at < training]) > 1]
    if repeated:
        named = [keys[at] for inside in repeated for at in inside]
        pictures = "one picture" if len(repeated) == 1 else f"{len(repeated)} pictures"
        yield f"{len(named)} training images are copies of {pictures}; they count several times ({listed(named)})."
