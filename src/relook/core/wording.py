"""Pieces of sentences for users."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


def either(statuses: Collection[StrEnum]) -> str:
    """`A, B or C`, in the order of the alphabet."""
    *first, last = sorted(status.value for status in statuses)
    return f"{', '.join(first)} or {last}" if first else last
