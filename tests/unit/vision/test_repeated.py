"""What is said of copies, whoever has put them on both sides."""

from __future__ import annotations

from relook.vision.repeated import leakage

KEYS = ["a", "b", "c", "d", "e"]
"""Three training images and two test images."""


def test_copies_on_both_sides_are_named_with_advice_for_given_sets_and_split_ones() -> None:
    advice = "in training, too, as copies: the figures of the test will be too good; keep each picture once"
    assert [*leakage(KEYS, [(0, 3)], 3)] == [f"1 test image is {advice} (d)."]
    assert [*leakage(KEYS, [(0, 3), (1, 2, 4)], 3)] == [f"2 test images are {advice} (d, e)."]
    assert [*leakage(KEYS, [(0, 1), (3, 4)], 3)] == []
