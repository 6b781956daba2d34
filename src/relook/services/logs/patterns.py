"""Filter patterns: words and "phrases" that a line must have, all of them, and -words that it must not have."""

from __future__ import annotations

import re
from collections.abc import Callable

from relook.services.logs.errors import invalid

_TERM = re.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?=\s|$)')
_ESCAPED = re.compile(r"\\(.)")
_STRUCTURED = {"{": "JSON", "[": "column", "%": "regular expression"}


def pattern_of(text: str) -> Callable[[str], bool]:
    """What tells whether a line is wanted; case counts. InvalidParameterException for other kinds of patterns."""
    text = text.strip()
    if kind := _STRUCTURED.get(text[:1]):
        raise invalid(f'{kind} filter patterns are not offered by this server: give words and "phrases"')
    must: list[str] = []
    must_not: list[str] = []
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise invalid(
                f"Invalid filter pattern at {text[place : place + 32]!r}: a quote is not closed, or in a word"
            )
        if found["sign"] == "?":
            raise invalid("Optional terms (?term) are not offered in filter patterns by this server: ask once for each")
        term = _ESCAPED.sub(r"\1", found["phrase"]) if found["word"] is None else found["word"]
        (must_not if found["sign"] else must).append(term)
        place = found.end()
    return lambda line: all(term in line for term in must) and not any(term in line for term in must_not)
