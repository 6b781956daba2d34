"""Labels whose things look like each other in a mirror are found by their boxes, whatever they are called."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from drawn_boxes import LEFT, RIGHT, pictures, signs
from PIL import Image

from relook.vision.detect.mirrored import SIDE, Collector, Pair, Thumbnails, Turn
from relook.vision.detect.pictures import look
from relook.vision.images import Loaded, Size
from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle


def exchanged(training: Sequence[LabelledImage]) -> Mapping[Turn, Pair]:
    return look(training, [], lambda stage, done, of: None).exchanged


def test_arrows_are_exchanged_from_left_to_right_and_by_half_a_turn() -> None:
    found = exchanged(signs((LEFT, RIGHT, "O"), 40, 1))
    assert found == {Turn.ACROSS: (LEFT, RIGHT), Turn.HALF: (LEFT, RIGHT)}


def test_a_six_becomes_a_nine_by_half_a_turn() -> None:
    found = exchanged(signs(("6", "9", "4"), 60, 2))
    assert found[Turn.HALF] == ("6", "9")
    assert Turn.ACROSS not in found


def test_letters_become_each_other_upside_down() -> None:
    assert exchanged(signs(("M", "W", "T"), 60, 3))[Turn.OVER] == ("M", "W")


@pytest.mark.parametrize("labels", [("A", "H", "O", "X", "8"), ("O",)], ids=["symmetrical", "alone"])
def test_things_that_are_no_mirror_images_are_not(labels: tuple[str, ...]) -> None:
    assert exchanged(signs(labels, 60, 4)) == {}


def test_labels_that_cannot_be_told_apart_as_they_lie_are_not() -> None:
    assert exchanged(signs(("one", "other"), 60, 5, {"one": "R", "other": "R"})) == {}
    assert exchanged(pictures(0, 40)) == {}  # dark discs, bright squares


def test_a_few_boxes_tell_nothing() -> None:
    training = signs((LEFT, RIGHT), 3, 6)
    assert {box.label for each in training for box in each.boxes} == {LEFT, RIGHT}
    assert exchanged(training) == {}


def test_boxes_are_compared_with_those_of_other_pictures_alone() -> None:
    """Of copies as well: what is most like a box is the same box otherwise, and its mirror image none."""
    collector = Collector(training := signs((LEFT, RIGHT), 40, 7))
    for at, image in enumerate(training):
        pixels = np.asarray(Image.open(io.BytesIO(image.load())))
        collector.add(at, Loaded(pixels, Size(*pixels.shape[:2])))
    assert Turn.ACROSS in collector.thumbnails(np.arange(40)).exchanged()
    assert collector.thumbnails(np.zeros(40, np.int64)).exchanged() == {}


def test_a_box_is_cut_from_what_was_decoded_at_half_its_size() -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:40, 30:50] = 200
    box = LabelledBox("one", Rectangle(60, 40, 40, 40))
    outside = replace(box, box=Rectangle(159.5, 10, 40, 40))
    collector = Collector([LabelledImage("one", lambda: b"", boxes=(box, outside))])
    collector.add(0, Loaded(pixels, Size(120, 160)))
    found = collector.thumbnails(np.arange(1))
    assert found.labels == ["one"]
    assert found.pixels.shape == (1, SIDE, SIDE)
    assert (found.pixels == 200).all()


def test_no_more_boxes_of_a_label_are_taken_than_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.vision.detect.mirrored.MOST", 40)
    many = [LabelledBox("many", Rectangle(left, 0, 8, 8)) for left in range(30)]
    few = [LabelledBox("few", Rectangle(left, 9, 8, 8)) for left in range(3)]
    training = [LabelledImage(str(at), lambda: b"", boxes=(*many, *few)) for at in range(4)]
    collector = Collector(training)
    for at in range(4):
        collector.add(at, Loaded(np.zeros((40, 40, 3), np.uint8), Size(40, 40)))
    labels = list(collector.thumbnails(np.arange(4)).labels)
    assert (labels.count("many"), labels.count("few")) == (20, 12)


def test_plain_boxes_are_like_nothing() -> None:
    """Of one grey, nothing correlates."""
    rng = np.random.default_rng(8)
    plain = np.full((40, SIDE, SIDE), 7, np.float32)
    thumbnails = Thumbnails(plain, np.arange(40), [str(each) for each in rng.integers(2, size=40)])
    assert thumbnails.exchanged() == {}
