"""The regular expressions of service models: Java's dialect, translated to Python's."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HEX = re.compile(r"\\x\{([0-9a-fA-F]+)\}")
_PROPERTY = re.compile(r"([pP])\{(\^?)([A-Za-z]+)\}")
_POSIX = {
    "Alnum": "A-Za-z0-9",
    "Alpha": "A-Za-z",
    "ASCII": r"\x00-\x7f",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": r"\x21-\x7e",
    "Lower": "a-z",
    "Print": r"\x20-\x7e",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9A-Fa-f",
}
_NAMED = {"IsAlphabetic": "L", "IsWhitespace": "Z", "IsLetter": "L", "IsDigit": "Nd"}


class UnsupportedPattern(ValueError):
    """A pattern of a service model uses what Python's `re` has no counterpart for."""


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern for `fullmatch`; UnsupportedPattern names one that cannot be translated."""
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except (re.error, KeyError, OverflowError) as error:
        raise UnsupportedPattern(f"{pattern!r}: {error}") from error


def _translated(pattern: str) -> str:
    text = _PAIR.sub(lambda found: f"\\U{_code_point(found.group(1), found.group(2)):08x}", pattern)
    text = _HEX.sub(lambda found: f"\\U{int(found.group(1), 16):08x}", text)
    out: list[str] = []
    position, in_class = 0, False
    while position < len(text):
        piece, position = _piece(text, position, in_class)
        if in_class and piece == "-" and _after_class_escape(out) and text[position] != "]":
            piece = r"\-"
        elif in_class and piece in "[|&~":
            piece = "\\" + piece
        elif piece in ("[", "]") and not (piece == "]" and out[-1:] in (["["], ["[^"])):
            in_class = piece == "["
            if in_class and text[position : position + 1] == "^":
                piece, position = "[^", position + 1
        elif piece == "]":
            piece = r"\]"
        elif piece == "$" and not in_class and text.startswith("{", position):
            piece = "(?:$)"
        out.append(piece)
    return "".join(out)


def _piece(text: str, position: int, in_class: bool) -> tuple[str, int]:
    """One character or escape, translated, and where the next begins."""
    if in_class and text.startswith("&&", position):
        raise KeyError("an intersection of character classes")
    if text[position] != "\\" or position + 1 == len(text):
        return text[position], position + 1
    if text[position + 1] == "z":
        return r"\Z", position + 2
    found = _PROPERTY.match(text, position + 1)
    if found is None:
        return text[position : position + 2], position + 2
    negated = (found.group(1) == "P") != (found.group(2) == "^")
    ranges = _ranges(found.group(3), negated)
    return (ranges if in_class else f"[{ranges}]"), found.end()


def _after_class_escape(out: list[str]) -> bool:
    return bool(out) and (out[-1] in (r"\w", r"\d", r"\s") or len(out[-1]) > 12)


def _code_point(high: str, low: str) -> int:
    return 0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00


@cache
def _ranges(name: str, negated: bool) -> str:
    """The characters of a Unicode category or POSIX class, as the inside of a character class."""
    if name in _POSIX and not negated:
        return _POSIX[name]
    if name in _POSIX:
        inside = re.compile(f"[{_POSIX[name]}]")
        return _runs([code for code in range(sys.maxunicode + 1) if not inside.match(chr(code))])
    prefix = "" if name == "all" else _NAMED.get(name, name)
    if len(prefix) > 2:
        raise KeyError(f"the property {name}")
    category = unicodedata.category
    members = [c for c in range(sys.maxunicode + 1) if category(chr(c)).startswith(prefix) != negated]
    return _runs(members)


def _runs(codes: list[int]) -> str:
    parts: list[str] = []
    start = previous = -2
    for code in [*codes, sys.maxunicode + 2]:
        if code != previous + 1:
            if start >= 0:
                parts.append(f"\\U{start:08x}-\\U{previous:08x}")
            start = code
        previous = code
    return "".join(parts)
