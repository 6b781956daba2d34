"""How a product may lie as well: the quarter turns and mirrorings after which normal pictures look like normal ones.

A part that lies anyhow, or a material without a direction, has been seen in few of its poses when normal images are
few. Copies of them, turned to where they look no stranger than pictures that were not seen, show more. Where the
product lies one way, or winds one way as a screw does, such copies do look strange, and are not made: a product that is
turned wrongly stays a defect. Exact turns alone, because others blur the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
_Kind = TypeVar("_Kind", bound=np.generic)

MOST_SEEN = 120
"""Normal images with their turned copies: who has more of them has seen the product as it lies."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Mirrored left to right, then turned anticlockwise by `quarters` of a full turn."""

    quarters: int
    mirrored: bool = False

    @property
    def sideways(self) -> bool:
        """Whether height and width change places."""
        return self.quarters % 2 == 1

    def apply(self, grid: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
        """(height, width, ...) turned."""
        return np.ascontiguousarray(np.rot90(grid[:, ::-1] if self.mirrored else grid, self.quarters))

    def __str__(self) -> str:
        turned = f"turned by {90 * self.quarters} degrees" if self.quarters else ""
        return " and ".join(part for part in ("mirrored" if self.mirrored else "", turned) if part)


TURNS = tuple(Turn(quarters, mirrored) for mirrored in (False, True) for quarters in range(4))[1:]


def turned_copies(normal: Positions, turns: Sequence[Turn], seed: int) -> list[tuple[int, Turn]]:
    """Which of the normal images to show turned how: all that `MOST_SEEN` leaves room for, drawn by `seed`."""
    room = MOST_SEEN - len(normal)
    pairs = [(int(at), turn) for at in normal for turn in turns]
    chosen = np.random.default_rng([seed, 14]).permutation(len(pairs))[: max(0, room)]
    return in_order(pairs[at] for at in chosen)


def in_order(shown: Iterable[tuple[int, Turn]]) -> list[tuple[int, Turn]]:
    """Images that lie sideways last, and those turned several ways together: as they are computed fastest."""
    return sorted(shown, key=lambda pair: (pair[1].sideways, pair[0], TURNS.index(pair[1])))
