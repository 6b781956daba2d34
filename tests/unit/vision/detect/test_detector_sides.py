"""Which mirroring labels of sides leave to a training."""

from __future__ import annotations

import pytest

from relook.vision.detect.mirrored import Turn
from relook.vision.detect.plan import Options
from relook.vision.detect.sides import LEFT_RIGHT, UPSIDE_DOWN, alike, decided


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("arrow left", "arrow right"),
        ("left", "right"),
        ("Left-clip", "RIGHT_clip"),
        ("left2", "right2"),
        ("clipLeft", "clipRight"),
        ("PCBLeft", "PCBRight"),
        ("caféLeft", "caféRight"),
        ("left_to_right", "right_to_left"),
        ("links (left)", "links (right)"),
    ],
)
def test_labels_that_differ_by_left_and_right_alone_are_alike_in_the_mirror(one: str, other: str) -> None:
    assert alike(["screw", one, other], LEFT_RIGHT) == (one, other)
    assert alike([other, one], LEFT_RIGHT) == (other, one)
    assert alike([one, "screw"], LEFT_RIGHT) is None, "a side alone is none"
    assert alike([one, other], UPSIDE_DOWN) is None


@pytest.mark.parametrize(
    ("one", "other"), [("arrow_up", "arrow_down"), ("top clip", "Bottom clip"), ("upperLip", "lowerLip")]
)
def test_labels_that_differ_by_top_and_bottom_alone_are_alike_upside_down(one: str, other: str) -> None:
    assert alike([one, other], UPSIDE_DOWN) == (one, other)
    assert alike([one, other], LEFT_RIGHT) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left 1", "right 2"),
        ("left clip", "right hook"),
        ("cleft", "cright"),
        ("bright", "bleft"),
        ("schrägleft", "schrägright"),
        ("arrow l", "arrow r"),
        ("top", "down"),
        ("left+", "right-x"),
        ("Left", "left"),
    ],
)
def test_other_labels_are_not(one: str, other: str) -> None:
    assert alike([one, other], LEFT_RIGHT) is None
    assert alike([one, other], UPSIDE_DOWN) is None


def test_what_labels_mean_decides_what_was_not_given() -> None:
    options, notes = decided(Options(steps=3), ["disc", "square"])
    assert options == Options(steps=3, mirror=True, upside_down=True)
    assert notes == ()
    options, notes = decided(Options(), ["clip right", "clip left", "nut left", "nut right"])
    assert (options.mirror, options.upside_down) == (False, True)
    assert notes == (
        "Images were not mirrored left to right: the labels 'clip right' and 'clip left' differ by the side alone.",
    )
    options, notes = decided(Options(), ["left", "right", "top", "bottom"])
    assert (options.mirror, options.upside_down) == (False, False)
    assert notes[1] == "Images were not mirrored upside down: the labels 'top' and 'bottom' differ by the side alone."


@pytest.mark.parametrize("given", [True, False])
def test_what_was_given_counts_whatever_the_labels_are(given: bool) -> None:
    options = Options(mirror=given, upside_down=given)
    assert decided(options, ["left", "right", "up", "down"]) == (options, ())


def test_one_may_be_given_and_the_other_decided() -> None:
    options, notes = decided(Options(mirror=True), ["left", "right"])
    assert (options.mirror, options.upside_down, notes) == (True, True, ())
    options, notes = decided(Options(upside_down=True), ["left", "right", "top", "bottom"])
    assert (options.mirror, options.upside_down, len(notes)) == (False, True, 1)


def test_labels_that_half_a_turn_makes_alike_leave_one_mirroring_out() -> None:
    corners = ["top left", "bottom right"]
    options, notes = decided(Options(), corners)
    assert (options.mirror, options.upside_down) == (True, False)
    assert "'top left' and 'bottom right'" in notes[0]
    assert decided(Options(mirror=False), corners) == (Options(mirror=False, upside_down=True), ())
    options, [note] = decided(Options(upside_down=True), corners)
    assert (options.mirror, options.upside_down) == (False, True)
    assert "'top left' and 'bottom right'" in note


PAIR = ("b", "q")


@pytest.mark.parametrize(
    ("turns", "mirrored", "how"),
    [
        ([Turn.ACROSS, Turn.HALF], (False, True), ["left to right"]),
        ([Turn.OVER], (True, False), ["upside down"]),
        ([Turn.HALF], (True, False), ["upside down"]),
        ([Turn.ACROSS, Turn.OVER], (False, False), ["left to right", "upside down"]),
    ],
)
def test_boxes_that_look_like_each_other_in_the_mirror_leave_it_out(
    turns: list[Turn], mirrored: tuple[bool, bool], how: list[str]
) -> None:
    exchanged = dict.fromkeys(turns, PAIR)
    options, notes = decided(Options(), ["b", "q"], exchanged)
    assert (options.mirror, options.upside_down) == mirrored
    assert list(notes) == [
        f"Images were not mirrored {each}: boxes of 'b' then look like those of 'q', and these like those."
        for each in how
    ]
    given = Options(mirror=True, upside_down=True)
    assert decided(given, ["b", "q"], exchanged) == (given, ())


def test_half_a_turn_is_left_out_where_one_mirroring_was_asked_for_all_the_same() -> None:
    options, notes = decided(Options(mirror=True), ["b", "d"], {Turn.ACROSS: ("b", "d"), Turn.HALF: ("6", "9")})
    assert (options.mirror, options.upside_down) == (True, False)
    [note] = notes
    assert "upside down: boxes of '6'" in note
