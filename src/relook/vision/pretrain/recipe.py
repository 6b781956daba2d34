"""What a distillation is made of, apart from the teacher and the pictures."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 48
"""Channels of the student's stem; torchvision's has 64. At 48 a CPU needs little more than half of the time."""


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
