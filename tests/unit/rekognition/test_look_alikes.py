"""Labels that people take for the same."""

from __future__ import annotations

import re

import pytest

from relook.services.rekognition.look_alikes import look_alikes


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["red", "Red ", "blue"], "differ by spaces or capitals alone are different ones.*: 'red', 'Red '"),
        (["Straße", "STRASSE"], "differ by spaces or capitals alone .*: 'Straße', 'STRASSE'"),
        (["caf\u00e9", "cafe\u0301"], r"look alike or stand for the same, .*: 'caf\\xe9', 'cafe\\u0301'"),
        (["\u00c9tui", "e\u0301tui "], r"look alike or stand for the same, .*: '\\xc9tui', 'e\\u0301tui '"),
        (["\uff21\uff22", "ab"], r"look alike or stand for the same, .*: '\\uff21\\uff22', 'ab'"),
        (["m\u00b2", "m2"], r"look alike or stand for the same, .*: 'm\\xb2', 'm2'"),
        (["\u1e9b\u0323", "\u017f\u0323\u0307"], r"look alike or stand for the same, .*: "),
    ],
    ids=["space", "sharp s", "composed", "capital and composed", "full width", "a raised figure", "folded apart"],
)
def test_labels_that_look_the_same_are_named(labels: list[str], told: str) -> None:
    [sentence] = look_alikes(labels)
    assert re.search(told, sentence), sentence


def test_each_set_is_told_for_what_it_is() -> None:
    plain, coded = look_alikes(["a", "A", "\u00e9", "e\u0301", "e"])
    assert plain.endswith(": 'a', 'A'.")
    assert coded.endswith(r": '\xe9', 'e\u0301'.")


@pytest.mark.parametrize("labels", [[], ["red"], ["e", "é", "ê"], ["red", "redder"], ["1", "l"]], ids=str)
def test_labels_that_are_told_apart_are_not(labels: list[str]) -> None:
    assert look_alikes(labels) == []
