"""Lines and images that are left out of a training: every error, from real manifests with real images."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image
from version_world import World

from label_pictures import RED, box_line, encoded, label_line, plain

Change = Callable[[dict[str, Any]], None]


def drop(*names: str) -> Change:
    def change(line: dict[str, Any]) -> None:
        place: Any = line
        for name in names[:-1]:
            place = place[name]
        del place[names[-1]]

    return change


def put(value: Any, *names: str | int) -> Change:
    def change(line: dict[str, Any]) -> None:
        place: Any = line
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = value

    return change


BOX = ("boxes", "annotations", 0)
LINE_ERRORS: dict[str, tuple[str, Change]] = {
    "no source-ref": ("ERROR_MISSING_SOURCE_REF", drop("source-ref")),
    "a source-ref of http": ("ERROR_INVALID_SOURCE_REF_FORMAT", put("https://example.com/1.png", "source-ref")),
    "nothing but a number": ("ERROR_NO_LABEL_ATTRIBUTES", drop("boxes-metadata")),
    "no image size": ("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", drop("boxes", "image_size")),
    "no date": ("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", drop("boxes-metadata", "creation-date")),
    "no confidence": ("ERROR_MISSING_BOUNDING_BOX_CONFIDENCE", put([{}], "boxes-metadata", "objects")),
    "no class": ("ERROR_MISSING_CLASS_MAP_ID", put({"7": "red"}, "boxes-metadata", "class-map")),
    "another kind": ("ERROR_UNSUPPORTED_USE_CASE_TYPE", put("groundtruth/text", "boxes-metadata", "type")),
    "a long name": ("ERROR_INVALID_LABEL_NAME_LENGTH", put({"0": "n" * 257}, "boxes-metadata", "class-map")),
    "a box outside": ("ERROR_INVALID_BOUNDING_BOX", put(120, *BOX, "left")),
    "a negative box": ("ERROR_INVALID_BOUNDING_BOX", put(-4, *BOX, "top")),
    "a flat box": ("ERROR_BOUNDING_BOX_TOO_SMALL", put(0, *BOX, "height")),
    "a thin box": ("ERROR_BOUNDING_BOX_TOO_SMALL", put(1, *BOX, "width")),
}


def codes(value: Any, key: str = "errors") -> list[str]:
    """Every code under this key, wherever in a line it stands."""
    if isinstance(value, list):
        return [code for item in value for code in codes(item, key)]
    if not isinstance(value, dict):
        return []
    own = [one["code"] for one in value.get(key, [])]
    return own + [code for name, item in value.items() if name != key for code in codes(item, key)]


@pytest.mark.parametrize(("code", "change"), LINE_ERRORS.values(), ids=LINE_ERRORS)
def test_a_line_with_an_error_is_not_trained_on(world: World, code: str, change: Change) -> None:
    wrong = world.boxed_line("wrong.png", 3, ["red"])
    change(wrong)
    found = world.from_manifests([*world.boxed(5, "red"), wrong], world.boxed(3, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert len(world.trainer.training) == 5
    lines = world.lines("TrainingManifestWithValidation")
    assert [bool(codes(line)) for line in lines] == [False] * 5 + [True]
    assert code in codes(lines[-1])
    statistics = world.document("ManifestSummary")["statistics"]["training"]
    assert (statistics["valid_json_lines"], statistics["invalid_json_lines"]) == (5, 1)
    assert len(statistics["error_json_line_indices"]) == 1
    assert len(world.lines("TrainingGroundTruth")) == 5


def test_a_line_that_is_no_json(world: World) -> None:
    lines = [*world.boxed(5, "red"), '{"source-ref": "s3://']
    found = world.from_manifests(lines, world.boxed(3, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [*_, last] = world.lines("TrainingManifestWithValidation")
    message = "The JSON Line has an invalid format."
    assert last == {"errors": [{"code": "ERROR_INVALID_JSON_LINE", "message": message}]}


def test_a_box_with_an_error_costs_that_box_alone(world: World) -> None:
    lines = world.boxed(5, "red", "blue")
    lines[0]["boxes"]["annotations"][1]["left"] = 1000
    found = world.from_manifests(lines, world.boxed(3, "red", "blue", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert [len(image.boxes) for image in world.trainer.training] == [1, 2, 2, 2, 2]
    [first, *_] = world.lines("TrainingManifestWithValidation")
    assert codes(first["boxes"]["annotations"][1]) == ["ERROR_INVALID_BOUNDING_BOX"]
    assert codes(first["boxes"]["annotations"][0]) == []
    assert world.document("ManifestSummary")["statistics"]["training"]["invalid_json_lines"] == 0


def test_boxes_that_are_left_out_of_lines_that_are_used_are_told_of(world: World) -> None:
    lines = world.boxed(12, "red", "blue")
    lines[0]["boxes"]["annotations"][1]["left"] = 1000
    for line in lines[1:]:
        line["boxes"]["annotations"][0]["width"] = 0
    lines[11]["boxes"] |= {"annotations": lines[11]["boxes"]["annotations"] * 3}
    lines[11]["boxes-metadata"]["objects"] *= 3
    lines[11]["boxes"]["annotations"] += [lines[11]["boxes"]["annotations"][0]]
    lines[11]["boxes-metadata"]["objects"] += [{"confidence": 1}]
    lines[2] |= {"other-metadata": lines[2]["boxes-metadata"]}
    found = world.from_manifests([*lines[11:], *lines[:11]], world.boxed(3, "red", "blue", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    head, first, second, _, fourth, *others = world.document("TrainingReport")["Warnings"][:12]
    assert world.jobs.contexts[-1].lines[:12] == [head, first, second, _, fourth, *others]
    assert head == (
        "12 of the 12 lines of the training set are used without some of their boxes or label attributes, "
        "which are invalid."
    )
    small, off = "The height and width of the bounding box is too small.", "The bounding box has off frame values."
    assert first == (
        f"Line 1 of the training set, {lines[11]['source-ref']}: box 1 of boxes: {small} box 3 of boxes: {small} "
        f"box 5 of boxes: {small} 1 more."
    )
    assert second == f"Line 2 of the training set, {lines[0]['source-ref']}: box 2 of boxes: {off}"
    assert fourth == (
        f"Line 4 of the training set, {lines[2]['source-ref']}: box 1 of boxes: {small} "
        "other: The format of the label attribute other is invalid."
    )
    assert others[-1].startswith("2 more such lines of the training set are not named here")


def test_more_boxes_than_there_may_be(world: World) -> None:
    crowded = world.boxed_line("crowded.png", 3, ["red"])
    crowded["boxes"]["annotations"] *= 51
    crowded["boxes-metadata"]["objects"] *= 51
    found = world.from_manifests([*world.boxed(5, "red"), crowded], world.boxed(3, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [*_, last] = world.lines("TrainingManifestWithValidation")
    assert codes(last) == ["ERROR_TOO_MANY_BOUNDING_BOXES"]


def test_a_line_without_a_good_attribute_and_one_without_a_good_box(world: World) -> None:
    attribute, box = (world.boxed_line(f"wrong-{n}.png", 3, ["red"]) for n in range(2))
    attribute["boxes"]["annotations"] = "none"
    box["boxes"]["annotations"][0]["left"] = 1000
    found = world.from_manifests([*world.boxed(10, "red"), attribute, box], world.boxed(3, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [*_, first, second] = world.lines("TrainingManifestWithValidation")
    assert "ERROR_NO_VALID_LABEL_ATTRIBUTES" in [one["code"] for one in first["errors"]]
    assert "ERROR_NO_VALID_ANNOTATIONS" in [one["code"] for one in second["errors"]]


@pytest.mark.parametrize("kind", ["bare", "no boxes"])
def test_a_line_that_teaches_nothing_is_ignored(world: World, kind: str) -> None:
    empty = world.boxed_line("empty.png", 3, [])
    line: dict[str, Any] = {"source-ref": empty["source-ref"]} if kind == "bare" else empty
    found = world.from_manifests([*world.boxed(5, "red"), line], world.boxed(3, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [*_, last] = world.lines("TrainingManifestWithValidation")
    told = ["WARNING_UNANNOTATED_RECORD"] if kind == "bare" else ["WARNING_NO_ANNOTATIONS"]
    assert [one["code"] for one in last["warnings"]] == told
    assert codes(last, "warnings") == told + ["WARNING_NO_ATTRIBUTE_ANNOTATIONS"] * (kind != "bare")
    statistics = world.document("ManifestSummary")["statistics"]["training"]
    assert (statistics["ignored_json_lines"], statistics["invalid_json_lines"]) == (1, 0)


# Images


def converted(mode: str, form: str = "PNG") -> bytes:
    with Image.open(io.BytesIO(plain(RED, 5))) as image:
        out = io.BytesIO()
        image.convert(mode).save(out, form)
        return out.getvalue()


GOOD_IMAGES: dict[str, Callable[[], bytes]] = {
    "64 by 64": lambda: plain(RED, 1, (64, 64)),
    "20 to 1": lambda: plain(RED, 1, (1280, 64)),
    "4096 pixels": lambda: plain(RED, 1, (4096, 300), "JPEG"),
    "jpeg": lambda: plain(RED, 1, form="JPEG"),
    "grey": lambda: converted("L"),
    "grey jpeg": lambda: converted("L", "JPEG"),
    "palette": lambda: converted("P"),
    "alpha": lambda: converted("RGBA"),
    "cmyk": lambda: converted("CMYK", "JPEG"),
    "16 bits": lambda: encoded_16_bits(),
}
BAD_IMAGES: dict[str, Callable[[], bytes]] = {
    "63 pixels": lambda: plain(RED, 1, (63, 80)),
    "4097 pixels": lambda: plain(RED, 1, (4097, 300), "JPEG"),
    "21 to 1": lambda: plain(RED, 1, (1344, 64)),
    "gif": lambda: plain(RED, 1, form="GIF"),
    "webp": lambda: plain(RED, 1, form="WEBP"),
    "bmp": lambda: plain(RED, 1, form="BMP"),
    "tiff": lambda: plain(RED, 1, form="TIFF"),
    "torn": lambda: plain(RED, 1, form="JPEG")[:-200],
    "text": lambda: b"not an image",
    "nothing": lambda: b"",
    "15 MB": lambda: plain(RED, 1) + bytes(15 * 1024**2),
}
_NEITHER = "the bytes are not a JPEG or PNG image"
BAD_BECAUSE = {
    "63 pixels": "the image is 63x80 pixels; each side must be 64 to 4096",
    "4097 pixels": "the image is 4097x300 pixels; each side must be 64 to 4096",
    "21 to 1": "the image is 1344x64 pixels; the longer side may be at most 20 times",
    **dict.fromkeys(["gif", "webp", "bmp", "tiff"], _NEITHER),
    "torn": "the JPEG is truncated or damaged",
    "text": _NEITHER,
    "nothing": "the object is empty",
}
"""How the sentences on the first ten begin."""


def encoded_16_bits() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((80, 80), 30_000, np.uint16)).save(out, "PNG")
    return out.getvalue()


def test_images_that_are_taken(world: World) -> None:
    lines = [label_line(world.put(f"größe und ü/{name}.bin", make()), "red") for name, make in GOOD_IMAGES.items()]
    found = world.from_manifests([*world.labelled(5, "red", "green"), *lines], world.labelled(2, "red", "green"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    validated = world.lines("TrainingManifestWithValidation")[10:]
    assert [line["source-ref"] for line in validated if codes(line)] == []
    assert len(world.trainer.training) == 10 + len(GOOD_IMAGES)


def test_images_that_are_not_taken(world: World) -> None:
    lines = [label_line(world.put(f"wrong/{name}.png", make()), "red") for name, make in BAD_IMAGES.items()]
    found = world.from_manifests([*world.labelled(5, "red", "green"), *lines], world.labelled(2, "red", "green"))
    assert found["StatusMessage"] == "The manifest file contains too many invalid rows."
    validated = world.lines("TrainingManifestWithValidation")
    message = "The image is invalid. Check S3 path and/or image properties."
    told = {line["source-ref"]: line["errors"] for line in validated if "errors" in line}
    assert told == {line["source-ref"]: [{"code": "ERROR_INVALID_IMAGE", "message": message}] for line in lines}
    sentences = world.jobs.contexts[-1].lines[1:11]
    for sentence, (name, reason) in zip(sentences, BAD_BECAUSE.items(), strict=True):
        assert sentence.partition(", s3://")[2].startswith(f"pictures/wrong/{name}.png: {reason}"), sentence


def test_job_and_report_say_which_image_was_left_out_and_why(world: World) -> None:
    wrong = world.put("wrong.png", BAD_IMAGES["15 MB"]())
    found = world.from_manifests(
        [*world.labelled(5, "red", "green"), label_line(wrong, "red")], world.labelled(2, "red", "green")
    )
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    size = len(BAD_IMAGES["15 MB"]())
    told = [
        "1 of the 11 lines of the training set is invalid and left out; at most 2 (20%) may be.",
        f"Line 11 of the training set, {wrong}: the image has {size:,} bytes; at most 15,728,640 (15 MB) are accepted.",
    ]
    assert world.jobs.contexts[-1].lines[:2] == told
    assert world.document("TrainingReport")["Warnings"][:2] == told


def test_ten_left_out_lines_are_named_and_the_others_counted(world: World) -> None:
    wrong = [label_line(f"s3://pictures/gone-{number}.png", "red") for number in range(11)]
    world.from_manifests([*world.labelled(5, "red", "green"), *wrong, "{"], world.labelled(2, "red", "green"))
    lines = world.jobs.contexts[-1].lines
    assert len(lines) == 12
    assert lines[0].startswith("12 of the 22 lines of the training set are invalid")
    assert lines[-1].startswith("2 more invalid lines of the training set are not named here")


def test_a_left_out_line_of_the_test_set_is_named_with_what_is_wrong_in_it(world: World) -> None:
    wrong = world.boxed_line("wrong.png", 3, ["red"])
    wrong["boxes-metadata"]["class-map"] = {"7": "red"}
    world.from_manifests(world.boxed(5, "red"), [*world.boxed(5, "red", prefix="test/"), wrong, "{"])
    told = [line for line in world.jobs.contexts[-1].lines if line.startswith("Line ")]
    where, reason = "Line 6 of the test set, s3://pictures/wrong.png: ", "One of more class ids is missing"
    assert told[0].startswith(where)
    assert reason in told[0]
    assert told[1] == "Line 7 of the test set, without an image: The JSON Line has an invalid format."


def test_the_size_of_an_image_with_boxes(world: World) -> None:
    line = box_line(world.put("wrong.png", plain(RED, 1, (63, 80))), (63, 80), {"red": (1, 1, 9, 9)})
    found = world.from_manifests([*world.boxed(5, "red"), line], world.boxed(3, "red", prefix="test/"))
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [*_, last] = world.lines("TrainingManifestWithValidation")
    assert codes(last) == ["ERROR_INVALID_IMAGE_DIMENSION"]


def rotated() -> bytes:
    """Stored lying, 128x96; upright it is 96 wide and 128 high, with a red square at the bottom right."""
    upright = np.full((128, 96, 3), 128.0)
    upright[100:120, 60:84] = RED
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(np.rot90(upright, 1), "JPEG", exif=exif, quality=95)


def test_boxes_are_those_of_the_upright_picture(world: World) -> None:
    fits = box_line(world.put("upright.jpg", rotated()), (96, 128), {"red": (60, 100, 24, 20)})
    stored = box_line(world.put("stored.jpg", rotated()), (128, 96), {"red": (100, 20, 20, 24)})
    found = world.from_manifests([*world.boxed(5, "red"), stored, fits], [*world.boxed(3, "red", prefix="t/"), fits])
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    [*_, wrong, right] = world.lines("TrainingManifestWithValidation")
    assert "ERROR_INVALID_BOUNDING_BOX" in codes(wrong)
    assert codes(right) == []
    [*_, tested] = world.lines("TestingGroundTruth")
    size = [{"width": 96, "height": 128, "depth": 3}]
    assert tested["rekognition-custom-labels-training-0"]["image_size"] == size
    assert tested["rekognition-custom-labels-evaluation"]["image_size"] == size
    [area] = tested["rekognition-custom-labels-evaluation"]["annotations"]
    assert (area["left"], area["top"]) == pytest.approx((60, 100), abs=3)
    told = tested["rekognition-custom-labels-evaluation-metadata"]["objects"][0]
    assert told["rekognition-custom-labels-evaluation-details"]["is-true-positive"] is True


def test_labels_of_any_script(world: World) -> None:
    names = {"red": "赤い 🍎", "green": "Grün/Groß \u00e9 e\u0301"}
    lines = [label_line(line["source-ref"], names[name]) for line, name in both(world.labelled(5, "red", "green"))]
    found = world.from_manifests(lines, lines)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    summary = world.document("EvaluationResultSummary")
    assert summary["EvaluationDetails"]["Labels"] == sorted(names.values())
    assert "赤い 🍎" in world.read("EvaluationResultSummary")
    assert "赤い 🍎" in world.read("TestingGroundTruth")


def both(lines: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    return [(line, line["label-0-metadata"]["class-name"]) for line in lines]


def test_an_image_named_twice_counts_once(world: World) -> None:
    lines = world.labelled(5, "red", "green")
    found = world.from_manifests([*lines, lines[0]], lines)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    assert len(world.trainer.training) == 10
    [*_, last] = world.lines("TrainingManifestWithValidation")
    assert codes(last, "warnings") == ["WARNING_DUPLICATE_SOURCE_REF"]


def test_errors_of_a_dataset_line_stand_in_the_validation_too(world: World) -> None:
    project = world.project()
    wrong = world.boxed_line("wrong.png", 3, ["red"])
    del wrong["boxes-metadata"]["creation-date"]
    world.dataset(project, [*world.boxed(10, "red"), wrong])
    found = world.train(project)
    assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
    lines = world.lines("TrainingManifestWithValidation")
    assert "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT" in [code for line in lines for code in codes(line)]
    assert not any("cl-metadata" in line or "cl-errors" in json.dumps(line) for line in lines)
