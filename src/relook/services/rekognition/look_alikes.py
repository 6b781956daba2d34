"""Labels that people take for the same, which are different ones: every label stays as it was given."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from relook.vision.naming import listed


def look_alikes(labels: Iterable[str]) -> list[str]:
    """Sentences that name such labels; none where there are none."""
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(_seen(label), []).append(label)
    sets = [same for same in found.values() if len(same) > 1]
    return [*_sentence("differ by spaces or capitals alone", _plainly(sets)), *_sentence(_CODED, _coded(sets))]


_CODED = "look alike or stand for the same, but are written in other characters (as macOS does in names of files),"


def _sentence(how: str, sets: Iterable[str]) -> Iterator[str]:
    if told := [*sets]:
        yield f"Labels that {how} are different ones; rename them where they mean the same: {listed(told)}."


def _plainly(sets: Iterable[list[str]]) -> Iterator[str]:
    return (_named(same, repr) for same in sets if not _is_coded(same))


def _coded(sets: Iterable[list[str]]) -> Iterator[str]:
    """In ASCII: what is seen would be the same twice."""
    return (_named(same, ascii) for same in sets if _is_coded(same))


def _is_coded(same: list[str]) -> bool:
    return len({_folded(label) for label in same}) > 1


def _named(same: list[str], shown: Callable[[str], str]) -> str:
    return listed([shown(label) for label in same])


def _folded(label: str) -> str:
    return " ".join(label.split()).casefold()


def _seen(label: str) -> str:
    """Folded, with one code for what is seen as one letter; folding can leave a letter in two codes."""
    return unicodedata.normalize("NFKC", _folded(unicodedata.normalize("NFKC", label)))
