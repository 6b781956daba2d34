"""JSON that strangers wrote, one object per line: read strictly, written compactly, never a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64
"""Real lines nest four deep."""


def load_object(text: str) -> dict[str, Any] | None:
    """The object that `text` is; None for all that is not JSON, not an object, or not fit to be kept.

    Not fit: NaN, infinities and fractions too large for a double, halves of surrogate pairs, more than MAX_DEPTH
    levels. A key that is there twice has its last value, as most readers of JSON have it.
    """
    try:
        value = json.loads(text)
        brackets = text.count("{") + text.count("[")
        if not isinstance(value, dict) or (brackets > MAX_DEPTH and _too_deep(value)):
            return None
        # Python reads what it will not write like this: NaN, infinities, and halves of surrogate pairs.
        dump(value).encode()
    except (ValueError, RecursionError):
        return None
    return value


def load_own(text: str) -> dict[str, Any]:
    """What `dump` has written."""
    document: dict[str, Any] = json.loads(text)
    return document


def dump(document: Mapping[str, Any]) -> str:
    """Compact JSON in the order of the keys. ValueError for a number that JSON cannot hold."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _too_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
