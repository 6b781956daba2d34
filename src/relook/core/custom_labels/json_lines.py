"""JSON that strangers wrote, one object per line: read strictly, written compactly, never a crash."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Real lines nest four deep."""


def load_object(text: str) -> dict[str, Any] | None:
    """The object that `text` is; None for all that is not JSON, not an object, or not fit to be kept.

    Not fit: NaN, infinities and numbers too large for a double, halves of surrogate pairs, more than MAX_DEPTH levels.
    A key that is there twice has its last value, as most readers of JSON have it.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
        if not isinstance(value, dict) or _too_deep(value):
            return None
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value


def dump(document: Mapping[str, Any]) -> str:
    """Compact JSON in the order of the keys, as UTF-8 can hold it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if len(text) > 300:
        _finite(text)
    return number


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
