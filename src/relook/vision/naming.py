"""Names of images in sentences."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 4
"""How many images a sentence names before it counts the rest."""


def listed(names: Sequence[str]) -> str:
    """`a, b and 12 more`."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
