"""What a scorer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from relook.vision import descriptor
from relook.vision.score import Score

Descriptors = npt.NDArray[np.float64]
"""(images, values): the descriptors of every view, one after the other; see `relook.vision.descriptor`."""
Labels = npt.NDArray[np.bool_]
"""(images,), True for anomalous."""
Columns = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ViewLayout:
    """Embedding dimensions of one view, and whether a head's value ends its descriptor."""

    dims: int
    head: bool

    @property
    def width(self) -> int:
        """Values in the view's descriptor."""
        return len(descriptor.STATISTICS) + 2 * self.dims + self.head


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a descriptor."""

    views: tuple[ViewLayout, ...]

    @property
    def head(self) -> bool:
        """Whether a view has a head."""
        return any(view.head for view in self.views)

    def columns(self, part: str) -> list[Columns]:
        """Where `part` lies, view by view; `head` only in those that have one."""
        found, start = [], 0
        for view in self.views:
            if part != "head" or view.head:
                where = descriptor.columns(part, view.dims, view.head)
                found.append(np.arange(start + where.start, start + where.stop))
            start += view.width
        return found


class Scorer(Protocol):
    """`name` for the report; `supervised` scorers need anomalies, `needs_head` ones a view with a head."""

    @property
    def name(self) -> str: ...
    @property
    def supervised(self) -> bool: ...
    @property
    def needs_head(self) -> bool: ...

    def fit(self, descriptors: Descriptors, anomalous: Labels, layout: Layout) -> Score:
        """Deterministic; supervised scorers need at least one image of each label, others at least one normal."""
        ...
