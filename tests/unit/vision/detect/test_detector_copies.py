"""Copies of one picture, planted and not, between training and test and within training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from drawn_boxes import encoded_anew, picture, pictures

from relook.vision.detect import plan
from relook.vision.detect.copies import _MOST_COMPARED
from relook.vision.detect.pictures import Look, look
from relook.vision.labelled import LabelledImage, Rectangle

BUCKET = "s3://bucket"


def seen(training: Sequence[LabelledImage], test: Sequence[LabelledImage] = ()) -> Look:
    return look(training, test, lambda stage, done, of: None)


def moved(image: LabelledImage) -> LabelledImage:
    """Its boxes elsewhere, as of another specimen that looks alike."""
    return replace(image, boxes=tuple(replace(each, box=Rectangle(0, 0, 6, 6)) for each in image.boxes))


@pytest.mark.parametrize("scale", [1.0, 0.75, 2.0])
@pytest.mark.parametrize("boxes", [True, False], ids=["with boxes", "without"])
def test_a_copy_encoded_anew_in_the_test_set_is_warned_of_by_name(boxes: bool, scale: float) -> None:
    training = pictures(0, 24)
    if not boxes:
        training[2] = replace(training[2], boxes=())
    copy = encoded_anew(training[2], f"{BUCKET}/copy.jpg", scale)
    told = seen(training, [*pictures(100, 6), copy])
    assert told.leaked == (copy.key,)
    [warning] = told.warnings
    assert warning.startswith("1 test image is in training, too, as copies: ")
    assert warning.endswith("(s3://bucket/copy.jpg).")
    assert told.copy_of.tolist() == list(range(24))


def test_copies_byte_for_byte_are_found_among_a_few_images_and_whatever_their_boxes() -> None:
    same = replace(picture(1), key=f"{BUCKET}/same.png")
    told = seen([*pictures(0, 3), same], [moved(same), picture(100), picture(2)])
    assert told.leaked == (same.key, picture(2).key)
    assert told.warnings[0].startswith("2 test images are in training, too")
    assert told.copy_of.tolist() == [0, 1, 2, 1]


def test_none_is_told_of_where_there_is_none() -> None:
    told = seen(pictures(0, 23), pictures(100, 8))
    assert (told.leaked, told.warnings) == ((), ())
    assert told.copy_of.tolist() == list(range(23))
    assert told.notes == ("2 training images have no box; the model learns from them what not to find.",)


def test_boxes_too_narrow_to_be_learned_are_counted_and_their_images_named() -> None:
    training = pictures(0, 4)
    thin = replace(training[1].boxes[0], box=Rectangle(10, 10, 40, 0.5))
    training[1] = replace(training[1], boxes=(*training[1].boxes, thin))
    [warning] = seen(training).warnings
    number = sum(len(each.boxes) for each in training)
    assert warning.startswith(f"1 of {number} training boxes are less than 2 pixels wide or high")
    assert f"({training[1].key})" in warning


def test_copies_within_the_test_set_are_no_leak() -> None:
    told = seen(pictures(0, 24), [picture(100), encoded_anew(picture(100), f"{BUCKET}/copy.jpg")])
    assert (told.leaked, told.warnings) == ((), ())


def test_pictures_that_look_alike_with_boxes_elsewhere_are_no_copies() -> None:
    other = moved(encoded_anew(picture(2), f"{BUCKET}/other.jpg"))
    other_label = encoded_anew(picture(2), f"{BUCKET}/label.jpg")
    other_label = replace(other_label, boxes=tuple(replace(each, label="ring") for each in other_label.boxes))
    without = replace(encoded_anew(picture(2), f"{BUCKET}/without.jpg"), boxes=())
    told = seen(pictures(0, 24), [other, other_label, without])
    assert (told.leaked, told.warnings) == ((), ())


def test_half_of_the_boxes_are_enough_for_people_do_not_draw_all_of_them_twice() -> None:
    boxes = picture(2).boxes
    copy = replace(encoded_anew(picture(2), f"{BUCKET}/copy.jpg"), boxes=(*boxes, replace(boxes[0], label="ring")))
    assert seen(pictures(0, 24), [copy]).leaked == (copy.key,)


def test_copies_within_training_are_told_of_and_are_known_by_the_first() -> None:
    copies = [encoded_anew(picture(5), f"{BUCKET}/a.jpg"), encoded_anew(picture(5), f"{BUCKET}/b.jpg", 1.5)]
    told = seen([*pictures(0, 24), *copies, encoded_anew(picture(9), f"{BUCKET}/c.jpg")])
    assert told.copy_of.tolist() == [*range(24), 5, 5, 9]
    assert told.warnings == ()
    assert told.notes[0] == (
        "5 training images are copies of 2 pictures; they count several times (s3://bucket/5.png, s3://bucket/a.jpg, "
        "s3://bucket/b.jpg, s3://bucket/9.png and 1 more)."
    )


def test_a_set_of_very_many_that_look_alike_is_still_gone_through() -> None:
    """Every one with another label: each is held against some of the others alone."""
    anew = [encoded_anew(picture(2), f"{BUCKET}/{at}.jpg", 1 + at / 50) for at in range(2 * _MOST_COMPARED)]
    alike = [replace(one, boxes=(replace(one.boxes[0], label=str(at)),)) for at, one in enumerate(anew)]
    told = seen([*pictures(0, 2), *alike], [replace(alike[0], key=f"{BUCKET}/leak.jpg")])
    assert told.leaked == (f"{BUCKET}/leak.jpg",)


def test_what_is_held_out_is_not_learned_from_under_another_name() -> None:
    drawn = [picture(at) for at in range(28) if at % 8 != 7]  # the others are nothing but noise
    copies = [encoded_anew(each, f"{each.key}.jpg") for each in drawn]
    training = [*drawn, *copies]
    told = seen(training)
    assert told.copy_of.tolist() == [*range(25), *range(25)]
    for seed in range(5):
        learnt, held = plan.hold_out(training, seed, told.copy_of)
        assert sorted([*learnt, *held]) == list(range(50))
        assert {at % 25 for at in learnt}.isdisjoint(at % 25 for at in held)
        assert len(held) == 6  # 5 of 50, and the copy that belongs to the last
