"""The rule that every service has for the tags it is given, whether they come as a list or as a map."""

from __future__ import annotations

from collections.abc import Iterable

_RESERVED = "aws:"


class TagError(ValueError):
    """Tags that may not be given; the message names the key and is for the user."""


def tag_map(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs of key and value as a mapping, in order; TagError for a key that is there twice or reserved."""
    found: dict[str, str] = {}
    for key, value in given:
        if key in found:
            raise TagError(f"Tags holds the key {key!r} twice; each key may be given once")
        if key.lower().startswith(_RESERVED):
            raise TagError(f"The tag key {key!r} starts with {_RESERVED}, which is reserved; choose another")
        found[key] = value
    return found
