"""What a distillation is made of, apart from the teacher and the pictures.

PretrainError: a run that cannot be made or gone on with; the message names the thing and the fix.
`- Stopped`: a run that was asked to stop; its checkpoint is written.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 48
"""Channels of the student's stem; torchvision's has 64. At 48 a CPU needs little more than half of the time."""


class PretrainError(Exception):
    """The run cannot be made, or not be gone on with."""


class Stopped(PretrainError):
    """The run ended early, as asked; the same call goes on where it stopped."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the outcome, apart from the teacher and the pictures."""

    steps: int
    batch: int = 32
    rate: float = 2e-3
    warm_up: int = 300
    decay: float = 1e-4
    keep: float = 0.998
    width: int = WIDTH
    seed: int = 1
