"""Anomaly models: each learns, at one working size, something about every patch, and says it of images it has not seen.

The memory bank comes first, because the heads look at its distances. Add a model by writing a file with a `Model` and
naming it in `MODELS`; the contract test runs over all of them.
"""

from __future__ import annotations

from relook.vision.models.base import Cells, Learned, Model
from relook.vision.models.labelled_head import LabelledHead
from relook.vision.models.memory import Memory
from relook.vision.models.synthetic_head import SyntheticHead

MODELS: tuple[Model, ...] = (Memory(), LabelledHead(), SyntheticHead())
"""In the order they learn in; at most one of the heads is usable for a problem."""

__all__ = ["MODELS", "Cells", "Learned", "Model"]
