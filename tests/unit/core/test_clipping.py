"""Texts that must fit."""

from __future__ import annotations

import pytest

from relook.core.clipping import clip


def test_what_fits_is_left_alone() -> None:
    assert clip("x" * 40, 40) == "x" * 40


@pytest.mark.parametrize("most", [21, 40, 1024])
def test_beginning_and_end_are_kept(most: int) -> None:
    short = clip("head " + "x" * 5000 + " why", most)
    assert len(short) == most
    assert short.startswith("head ")
    assert " ... " in short
    assert short.endswith(" why")
