"""Texts that must fit."""

from __future__ import annotations

_GAP = " ... "


def clip(text: str, most: int) -> str:
    """At most `most` characters (over 20). Of a longer text the middle is left out: an error ends in its reason."""
    if len(text) <= most:
        return text
    head = most // 4
    tail = most - head - len(_GAP)
    return text[:head] + _GAP + text[-tail:]
