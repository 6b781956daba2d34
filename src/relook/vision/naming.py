"""Names of images and labels in sentences."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 4
"""How many names a sentence has before it counts the rest."""


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """`a, b and 12 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
