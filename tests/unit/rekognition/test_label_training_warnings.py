"""What the report of a training warns of, in lines that are used."""

from __future__ import annotations

from functools import partial
from typing import Any

from version_world import World

from label_pictures import RED, label_line, plain


def test_lines_of_the_other_kind_are_named(world: World) -> None:
    boxed = world.boxed(2, "red")
    found = world.from_manifests([*world.labelled(5, "red", "blue"), *boxed])
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [told] = [each for each in world.document("TrainingReport")["Warnings"] if "are not used" in each]
    assert told == (
        "2 of the 12 lines of the training set before its split have boxes alone and are not used, because this model "
        f"learns image-level labels: line 11, {boxed[0]['source-ref']}, line 12, {boxed[1]['source-ref']}."
    )


def test_lines_that_repeat_an_image_are_named(world: World) -> None:
    lines = world.labelled(3, "red", "blue")
    found = world.from_manifests([*lines, lines[1]], world.labelled(2, "red", "blue", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [told] = [each for each in world.document("TrainingReport")["Warnings"] if "repeat" in each]
    assert told == (
        "1 of the 7 lines of the training set repeats an image of an earlier one and is not used: "
        f"line 7, {lines[1]['source-ref']}."
    )


def test_lines_that_were_split_are_counted_as_the_user_wrote_them(world: World) -> None:
    lines: list[Any] = [*world.labelled(12, "red", "blue")]
    lines.insert(20, "{")
    found = world.from_manifests(lines)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    counted, line, *_ = world.document("TrainingReport")["Warnings"]
    assert counted.startswith("1 of the 25 lines of the training set before its split is invalid")
    assert line.startswith("Line 21 of the training set before its split, ")


def test_a_size_that_the_image_does_not_have_is_told_with_the_image(world: World) -> None:
    lines = world.boxed(4, "red")
    lines[2]["boxes"]["image_size"] = [{"width": 256, "height": 192, "depth": 3}]
    found = world.from_manifests(lines, world.boxed(2, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [told] = [each for each in world.document("TrainingReport")["Warnings"] if "another size" in each]
    assert told.startswith("1 line tells another size of the image than it has upright")
    assert f"({lines[2]['source-ref']}: 256x192, and it has 128x96)" in told


def test_labels_that_differ_by_a_space_are_told(world: World) -> None:
    lines = world.labelled(4, "red", "blue")
    for line in lines[::4]:
        next(value for name, value in line.items() if name.endswith("-metadata"))["class-name"] = "Red "
    found = world.from_manifests(lines, lines)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [told] = [each for each in world.document("TrainingReport")["Warnings"] if "spaces" in each]
    assert told == (
        "Labels that differ by spaces or capitals alone are different ones; rename them where they mean the same: "
        "'Red ', 'red'."
    )


def test_test_labels_that_differ_from_the_trained_ones_by_a_space_are_told(world: World) -> None:
    training, test = world.labelled(4, "red", "blue"), world.labelled(2, "red", "blue", prefix="test/")
    test += [
        label_line(world.picture(f"test/{number}.png", partial(plain, RED, 90 + number)), "Red ") for number in range(2)
    ]
    found = world.from_manifests(training, test)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    warnings = world.document("TrainingReport")["Warnings"]
    assert "Test labels that the training images do not have are not tested: 'Red '." in warnings
    [told] = [each for each in warnings if "spaces" in each]
    assert told.endswith("rename them where they mean the same: 'red', 'Red '.")
