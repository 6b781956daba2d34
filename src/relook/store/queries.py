"""Pieces of queries that several services share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, func

T = TypeVar("T")
_BATCH = 500


def contains(column: Column[Any], text: str) -> ColumnElement[bool]:
    """Whether the column holds `text`, which is not empty, somewhere; case-sensitive."""
    # LIKE ignores case in SQLite, and instr() is not known everywhere; this says "contains" on every database.
    return func.replace(column, text, "") != column


def batches(values: Sequence[T], size: int = _BATCH) -> Iterator[Sequence[T]]:
    """`values` in slices of at most `size`: a statement takes so many parameters and no more."""
    return (values[start : start + size] for start in range(0, len(values), size))
