"""Anomaly models: each learns, at one working size, something about every patch, and says it of images it has not seen.

The memory bank comes first, because the heads look at its distances. Add a head by writing a file with a `Model` and
naming it in `HEADS`; the contract test runs over all of them.
"""

from __future__ import annotations

from relook.vision.models.base import Cells, Learned, Model
from relook.vision.models.labelled_head import LabelledHead
from relook.vision.models.memory import Memory
from relook.vision.models.synthetic_head import SyntheticHead

MEMORY = Memory()
HEADS: tuple[Model, ...] = (LabelledHead(), SyntheticHead())
"""At most one of them is usable for a problem."""
MODELS: tuple[Model, ...] = (MEMORY, *HEADS)
"""In the order they learn in."""

__all__ = ["HEADS", "MEMORY", "MODELS", "Cells", "Learned", "Model"]
