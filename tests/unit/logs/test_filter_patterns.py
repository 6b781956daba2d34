"""Which lines a filter pattern wants."""

from __future__ import annotations

import pytest

from relook.aws.errors import ServiceError
from relook.services.logs.patterns import pattern_of


@pytest.mark.parametrize(
    ("pattern", "line", "wanted"),
    [
        ("", "anything", True),
        ("  ", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR disk", "disk: ERROR", True),
        ("ERROR disk", "ERROR of memory", False),
        ('"disk full"', "the disk full of pictures", True),
        ('"disk full"', "full disk", False),
        ("disk -full", "the disk", True),
        ("disk -full", "the disk is full", False),
        ('-"is full"', "the disk is full", False),
        (r'"say \"x\""', 'they say "x"', True),
        ("a=1", "a=1 b=2", True),
    ],
)
def test_terms_and_phrases(pattern: str, line: str, wanted: bool) -> None:
    assert pattern_of(pattern)(line) is wanted


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ('{ $.level = "x" }', "JSON filter patterns are not offered"),
        ("[ip, user]", "column filter patterns are not offered"),
        ("%a+%", "regular expression filter patterns are not offered"),
        ("?a ?b", "Optional terms"),
        ('"not closed', "a quote is not closed"),
        ('in"side', "a quote is not closed, or in a word"),
    ],
)
def test_others_are_refused_by_name(pattern: str, words: str) -> None:
    with pytest.raises(ServiceError, match="InvalidParameterException") as found:
        pattern_of(pattern)
    assert words in found.value.message
