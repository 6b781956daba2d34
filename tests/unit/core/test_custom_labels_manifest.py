from __future__ import annotations

import io
import json
from typing import Any

import pytest

from custom_labels_lines import boxes, changed, entry, image_level, source
from relook.core.custom_labels.errors import Drop, LineError, LineWarning, Place
from relook.core.custom_labels.manifest import Box, Dropped, Entry, ImageFacts, Kind, LabelUse, read_line, read_manifest

CAT = image_level("a", "cat")
BOXED = boxes("b", "cat", "dog")
FACTS = ImageFacts("JPEG", 640, 480, 100_000)


def off_frame(line: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return changed(line, f"bb/annotations/{index}/left", -5)


def many(count: int) -> dict[str, Any]:
    return boxes("many", *["cat"] * count)


LINE_ERRORS = [
    ("only-an-attribute", {"source-ref": source("a"), "x": 1}, LineError.NO_LABEL_ATTRIBUTES, "line"),
    ("only-metadata", changed(CAT, "set_0", ...), LineError.NO_LABEL_ATTRIBUTES, "line"),
    ("label-is-text", changed(CAT, "set_0", "1"), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "metadata"),
    ("label-is-1.5", changed(CAT, "set_0", 1.5), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "metadata"),
    ("label-is-true", changed(CAT, "set_0", True), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "metadata"),
    ("no-image-size", changed(BOXED, "bb/image_size", ...), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    ("no-depth", changed(BOXED, "bb/image_size/0/depth", ...), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    (
        "two-sizes",
        changed(BOXED, "bb/image_size", BOXED["bb"]["image_size"] * 2),
        LineError.INVALID_LABEL_ATTRIBUTE_FORMAT,
        "attribute",
    ),
    ("boxes-null", changed(BOXED, "bb/annotations", None), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    ("a-box-is-3", changed(BOXED, "bb/annotations/1", 3), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    ("no-width", changed(BOXED, "bb/annotations/1/width", ...), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    ("true-top", changed(BOXED, "bb/annotations/1/top", True), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    ("huge", changed(BOXED, "bb/annotations/1/top", 10**60), LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "attribute"),
    (
        "half-id",
        changed(BOXED, "bb/annotations/0/class_id", 0.5),
        LineError.INVALID_LABEL_ATTRIBUTE_FORMAT,
        "attribute",
    ),
    (
        "size-is-1.5",
        changed(BOXED, "bb/image_size/0/width", 1.5),
        LineError.INVALID_LABEL_ATTRIBUTE_FORMAT,
        "attribute",
    ),
    ("text", changed(CAT, "set_0-metadata", "cat"), LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT, "line"),
    *(
        (f"{key}-{value!r}", changed(CAT, f"set_0-metadata/{key}", value), error, "metadata")
        for error in [LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT]
        for key, value in [
            ("class-name", ...),
            ("class-name", 5),
            ("class-name", ""),
            ("confidence", ...),
            ("confidence", 1.01),
            ("confidence", True),
            ("human-annotated", ...),
            ("human-annotated", "true"),
            ("creation-date", ...),
            ("type", ...),
            ("type", ["groundtruth/object-detection"]),
            ("job-name", 7),
        ]
    ),
    (
        "no-map",
        changed(BOXED, "bb-metadata/class-map", []),
        LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT,
        "metadata",
    ),
    (
        "no-objects",
        changed(BOXED, "bb-metadata/objects", ...),
        LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT,
        "metadata",
    ),
    (
        "confidence-text",
        changed(BOXED, "bb-metadata/objects/0", {"confidence": "high"}),
        LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT,
        "metadata",
    ),
    ("one-missing", changed(BOXED, "bb-metadata/objects/0", {}), LineError.MISSING_BOUNDING_BOX_CONFIDENCE, "metadata"),
    ("too-few", changed(BOXED, "bb-metadata/objects/0", ...), LineError.MISSING_BOUNDING_BOX_CONFIDENCE, "metadata"),
    ("id-not-mapped", changed(BOXED, "bb-metadata/class-map/7", ...), LineError.MISSING_CLASS_MAP_ID, "metadata"),
    (
        "wrong-type",
        changed(BOXED, "bb-metadata/type", "groundtruth/semantic-segmentation"),
        LineError.UNSUPPORTED_USE_CASE_TYPE,
        "metadata",
    ),
    ("long-name", image_level("a", "x" * 257), LineError.INVALID_LABEL_NAME_LENGTH, "metadata"),
    ("long-name-of-box", boxes("a", "ü" * 257), LineError.INVALID_LABEL_NAME_LENGTH, "metadata"),
    ("all-invalid", changed(CAT, "set_0-metadata/type", "x"), LineError.NO_VALID_LABEL_ATTRIBUTES, "line"),
    ("small-size", boxes("a", "cat", size=(63, 480)), LineError.INVALID_IMAGE_DIMENSION, "line"),
    ("large-size", boxes("a", "cat", size=(640, 4097)), LineError.INVALID_IMAGE_DIMENSION, "line"),
    ("left-negative", off_frame(BOXED), LineError.INVALID_BOUNDING_BOX, "annotation"),
    ("beyond-right", boxes("a", "cat", rectangles=[(600, 0, 41, 9)]), LineError.INVALID_BOUNDING_BOX, "annotation"),
    ("beyond-bottom", boxes("a", "cat", rectangles=[(0, 479, 9, 2)]), LineError.INVALID_BOUNDING_BOX, "annotation"),
    ("width-negative", boxes("a", "cat", rectangles=[(99, 9, -9, 9)]), LineError.INVALID_BOUNDING_BOX, "annotation"),
    ("one-pixel", boxes("a", "cat", rectangles=[(0, 0, 1, 1)]), LineError.BOUNDING_BOX_TOO_SMALL, "annotation"),
    ("degenerate", boxes("a", "cat", rectangles=[(9, 9, 40, 0)]), LineError.BOUNDING_BOX_TOO_SMALL, "annotation"),
    (
        "small-once-resized",
        boxes("a", "cat", rectangles=[(9, 9, 3, 40)], size=(4000, 3000)),
        LineError.BOUNDING_BOX_TOO_SMALL,
        "annotation",
    ),
    ("51-boxes", many(51), LineError.TOO_MANY_BOUNDING_BOXES, "line"),
    ("all-off-frame", off_frame(off_frame(BOXED), 1), LineError.NO_VALID_ANNOTATIONS, "line"),
]


def carriers(document: dict[str, Any], key: str) -> dict[str, list[str]]:
    """Where the lists named `key` stand, with the codes in them."""
    found: dict[str, list[str]] = {}
    places: list[tuple[str, Any]] = [("line", document)]
    for name, value in document.items():
        if name != "cl-metadata" and isinstance(value, dict):
            places.append(("metadata" if name.endswith("-metadata") else "attribute", value))
            places += [("annotation", item) for item in value.get("annotations") or [] if isinstance(item, dict)]
    for where, place in places:
        if key in place:
            found.setdefault(where, []).extend(one["code"] for one in place[key])
    return found


@pytest.mark.parametrize(
    ("line", "code", "place"), [row[1:] for row in LINE_ERRORS], ids=[row[0] for row in LINE_ERRORS]
)
def test_a_line_error_stands_at_its_place_in_the_dataset_and_in_the_validation(
    line: dict[str, Any], code: LineError, place: str
) -> None:
    found = entry(line)
    assert code in [problem.code for problem in found.errors]
    assert str(code) in carriers(json.loads(found.dataset_line()), "cl-errors")[place]
    assert carriers(json.loads(found.validation_line()), "errors") == carriers(
        json.loads(found.dataset_line()), "cl-errors"
    )


def test_every_line_error_is_produced_by_a_line_of_these_tests() -> None:
    by_image = {LineError.INVALID_IMAGE}
    dropped = {LineError.MISSING_SOURCE_REF, LineError.INVALID_SOURCE_REF_FORMAT, LineError.INVALID_JSON_LINE}
    assert {row[2] for row in LINE_ERRORS} | by_image | dropped == set(LineError)


def test_the_guides_line_of_an_unsupported_type_looks_as_in_the_guide() -> None:
    line = changed(boxes("test", "comparator"), "bb-metadata/type", "groundtruth/wrongtype")
    text = entry(line).dataset_line()
    expected = changed(line, "cl-metadata", {"is_labeled": True})
    expected["bb-metadata"]["cl-errors"] = [
        {
            "code": "ERROR_UNSUPPORTED_USE_CASE_TYPE",
            "message": (
                "The use case type of the bb-metadata label attribute metadata is unsupported. Check the type field."
            ),
        }
    ]
    expected["cl-errors"] = [{"code": "ERROR_NO_VALID_LABEL_ATTRIBUTES", "message": "No valid label attributes found."}]
    assert text == json.dumps(expected, separators=(",", ":"))


@pytest.mark.parametrize(
    ("raw", "why", "written"),
    [
        ('{"x":1}', Drop.MISSING_SOURCE_REF, '{"x":1,"errors":[{"code":"ERROR_MISSING_SOURCE_REF",'),
        ('{"source-ref":7}', Drop.INVALID_SOURCE_REF, '{"source-ref":7,"errors":[{"code":"ERROR_INVALID_SOURCE_REF_F'),
        ('{"source-ref":"https://b/k"}', Drop.INVALID_SOURCE_REF, '{"source-ref":"https://b/k","errors":[{'),
        ('{"source-ref":"s3://bucket"}', Drop.INVALID_SOURCE_REF, '{"source-ref":"s3://bucket","errors":[{'),
        ('{"source-ref":', Drop.INVALID_JSON, '{"errors":[{"code":"ERROR_INVALID_JSON_LINE",'),
        ('["s3://images/a"]', Drop.INVALID_JSON, '{"errors":[{"code":"ERROR_INVALID_JSON_LINE",'),
        ("", Drop.BLANK, '{"errors":[{"code":"ERROR_INVALID_JSON_LINE",'),
        (
            '{"source-ref":"s3://images/a","x":"' + "x" * 100_000 + '"}',
            Drop.LINE_TOO_LONG,
            '{"errors":[{"code":"ERROR_INVALID_JSON_LINE",',
        ),
    ],
    ids=["no-source", "number", "https", "no-key", "cut-off", "list", "blank", "long"],
)
def test_what_no_dataset_takes_is_an_error_of_a_training(raw: str, why: Drop, written: str) -> None:
    found = read_line(raw)
    assert isinstance(found, Dropped)
    assert (found.why, found.invalid) == (why, True)
    assert found.validation_line().startswith(written)


def test_the_label_attribute_with_an_error_is_left_out_and_the_line_used() -> None:
    line = {**image_level("a", "cat", "dog"), **{key: value for key, value in BOXED.items() if key != "source-ref"}}
    broken = changed(off_frame(line, 1), "set_0-metadata/confidence", ...)
    found = entry(broken)
    assert found.usable
    assert found.labels == ("dog",)
    assert found.boxes == (Box("cat", 10, 20, 30, 40),)
    assert found.kind is Kind.BOTH
    assert {(problem.place, problem.attribute, problem.annotation) for problem in found.errors} == {
        (Place.METADATA, "set_0", None),
        (Place.ANNOTATION, "bb", 1),
    }
    # What is declared is counted, annotations with an error included.
    assert found.uses == (LabelUse("dog", True, 1), LabelUse("cat", False, 1))


def test_metadata_whose_attribute_is_missing_costs_no_other_attribute() -> None:
    found = entry(changed(image_level("a", "cat", "dog"), "set_0", ...))
    assert (found.usable, found.labels) == (True, ("dog",))
    assert [(problem.code, problem.attribute) for problem in found.errors] == [
        (LineError.INVALID_LABEL_ATTRIBUTE_FORMAT, "set_0")
    ]
    assert carriers(json.loads(found.dataset_line()), "cl-errors") == {
        "metadata": ["ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"]
    }


@pytest.mark.parametrize(
    "metadata", ["text", {"type": "groundtruth/text-classification"}, {}], ids=["text", "type", "bare"]
)
def test_other_keys_that_end_like_metadata_are_the_users_own(metadata: object) -> None:
    line = {**CAT, "note-metadata": metadata, "source-ref-metadata": {"type": "groundtruth/object-detection"}}
    found = entry(line)
    assert (found.errors, found.labels) == ((), ("cat",))


def test_metadata_without_any_attribute_is_one_error() -> None:
    found = entry(changed(CAT, "set_0", ...))
    assert [problem.code for problem in found.errors] == [LineError.NO_LABEL_ATTRIBUTES]


def test_fifty_boxes_are_not_too_many() -> None:
    assert len(entry(many(50)).boxes) == 50
    beside = {key: value for key, value in boxes("b", "cat").items() if key != "source-ref"}
    both = {**many(50), "other": beside["bb"], "other-metadata": beside["bb-metadata"]}
    assert [problem.code for problem in entry(both).errors] == [LineError.TOO_MANY_BOUNDING_BOXES]


def test_keys_of_the_users_own_are_kept_in_validations() -> None:
    line = changed(off_frame(BOXED), "errors", "none known")
    assert json.loads(entry(line).validation_line())["errors"] == "none known"
    assert json.loads(entry(line).dataset_line())["errors"] == "none known"


@pytest.mark.parametrize("name", ["", None, "x" * 300, "dog"])
def test_a_class_that_no_box_has_costs_nothing(name: str | None) -> None:
    line = changed(boxes("a", "cat"), "bb-metadata/class-map/9", name)
    line["bb-metadata"]["objects"].append({"confidence": 7})
    found = entry(line)
    assert ([box.label for box in found.boxes], found.errors) == (["cat"], ())


def test_labels_are_told_apart_by_name_whatever_their_numbers() -> None:
    first, second = boxes("a", "cat", "dog"), boxes("b", "dog", "犬")
    assert first["bb-metadata"]["class-map"] == {"7": "cat", "5": "dog"}
    assert second["bb-metadata"]["class-map"] == {"7": "dog", "5": "犬"}
    assert [box.label for line in (first, second) for box in entry(line).boxes] == ["cat", "dog", "dog", "犬"]


def test_a_name_of_256_characters_is_a_label() -> None:
    assert entry(image_level("a", "ü" * 256)).labels == ("ü" * 256,)


def test_one_label_given_twice_is_one_label() -> None:
    assert entry(image_level("a", "cat", "cat")).labels == ("cat",)


@pytest.mark.parametrize(
    ("line", "line_warning", "attribute_warning"),
    [
        ({"source-ref": source("a")}, LineWarning.UNANNOTATED_RECORD, None),
        (boxes("a"), LineWarning.NO_ANNOTATIONS, LineWarning.NO_ATTRIBUTE_ANNOTATIONS),
        (changed(boxes("a"), "bb/annotations", ...), LineWarning.NO_ANNOTATIONS, LineWarning.NO_ATTRIBUTE_ANNOTATIONS),
    ],
    ids=["bare", "empty", "absent"],
)
def test_a_line_that_teaches_nothing_is_ignored_with_a_warning(
    line: dict[str, Any], line_warning: LineWarning, attribute_warning: LineWarning | None
) -> None:
    found = entry(line)
    assert (found.ignored, found.invalid, found.usable, found.labeled, found.errors) == (True, False, False, False, ())
    expected = {"line": [str(line_warning)]}
    if attribute_warning is not None:
        expected["attribute"] = [str(attribute_warning)]
    assert carriers(json.loads(found.validation_line()), "warnings") == expected
    # Datasets show no warnings.
    assert json.loads(found.dataset_line()) == {**line, "cl-metadata": {"is_labeled": False}}


def test_an_empty_attribute_beside_a_label_costs_the_line_nothing() -> None:
    found = entry({**CAT, **{key: value for key, value in boxes("b").items() if key != "source-ref"}})
    assert (found.usable, found.kind) == (True, Kind.IMAGE_LEVEL)
    assert carriers(json.loads(found.validation_line()), "warnings") == {
        "attribute": [str(LineWarning.NO_ATTRIBUTE_ANNOTATIONS)]
    }


def test_what_the_service_put_into_a_line_is_worked_out_anew_when_it_comes_back() -> None:
    line = json.loads(entry(off_frame(off_frame(BOXED), 1)).dataset_line())
    assert carriers(line, "cl-errors") == {
        "line": ["ERROR_NO_VALID_ANNOTATIONS"],
        "annotation": ["ERROR_INVALID_BOUNDING_BOX"] * 2,
    }
    mended = changed(line, "bb/annotations/0/left", 5)
    assert carriers(json.loads(entry(mended).dataset_line()), "cl-errors") == {
        "annotation": ["ERROR_INVALID_BOUNDING_BOX"]
    }


@pytest.mark.parametrize(
    ("line", "characters"),
    [
        (boxes("many", *["cat"] * 1_300, rectangles=[(-5, 0, 9, 9)] * 1_300), 200_000),
        ({"source-ref": source("a")} | {f"{n // 2}{'-metadata' * (n % 2)}": 0 for n in range(6_000)}, 400_000),
    ],
    ids=["boxes", "attributes"],
)
def test_a_line_that_its_errors_make_long_is_read_back(line: dict[str, Any], characters: int) -> None:
    found = entry(line)
    assert len(found.dataset_line()) > characters
    assert read_line(found.dataset_line()) == found


def test_what_a_training_put_into_a_line_is_worked_out_anew_by_the_next() -> None:
    line = json.loads(entry(off_frame(BOXED)).validation_line())
    again = changed(line, "bb/annotations/0/left", 5)
    assert entry(again).validation_line() == entry(changed(BOXED, "bb/annotations/0/left", 5)).validation_line()
    bare = entry(json.loads(entry({"source-ref": source("a")}).validation_line()))
    assert [problem.code for problem in bare.warnings] == [LineWarning.UNANNOTATED_RECORD]


def test_a_line_is_written_compactly_in_its_order_and_in_its_script() -> None:
    text = '{ "b": 1.50, "source-ref" : "s3://images/ü.jpg" ,"note":"\\u72ac","cl-metadata":{"is_labeled":true}}'
    found = read_line(f"\t{text}\r\n")
    assert isinstance(found, Entry)
    assert found.text == '{"b":1.5,"source-ref":"s3://images/ü.jpg","note":"犬"}'


class TestImages:
    """Errors that need the image itself."""

    @pytest.mark.parametrize(
        "facts",
        [
            None,
            ImageFacts("GIF", 640, 480, 1000),
            ImageFacts("PNG", 640, 480, 15 * 1024**2 + 1),
            ImageFacts("PNG", 63, 640, 1000),
            ImageFacts("PNG", 640, 4097, 1000),
            ImageFacts("PNG", 70, 1401, 1000),
        ],
        ids=["missing", "gif", "bytes", "narrow", "high", "aspect"],
    )
    def test_an_image_that_cannot_be_used_makes_the_line_invalid(self, facts: ImageFacts | None) -> None:
        found = entry(CAT).checked(facts)
        assert (found.invalid, found.usable, found.taught(Kind.IMAGE_LEVEL)) == (True, False, ())
        assert carriers(json.loads(found.validation_line()), "errors") == {"line": ["ERROR_INVALID_IMAGE"]}

    @pytest.mark.parametrize("facts", [ImageFacts("JPEG", 64, 1280, 15 * 1024**2), ImageFacts("PNG", 4096, 4096, 1)])
    def test_an_image_at_the_limits_is_good(self, facts: ImageFacts) -> None:
        assert entry(CAT).checked(facts) == entry(CAT)

    def test_a_boxed_image_of_a_wrong_size_has_an_error_of_its_own(self) -> None:
        found = entry(BOXED).checked(ImageFacts("PNG", 4100, 4000, 1000))
        assert [problem.code for problem in found.errors] == [LineError.INVALID_IMAGE_DIMENSION]

    def test_boxes_are_held_against_the_real_upright_image(self) -> None:
        line = boxes("a", "cat", "dog", rectangles=[(0, 0, 100, 100), (500, 0, 100, 100)])
        assert entry(line).errors == ()
        upright = ImageFacts("JPEG", 480, 640, 1000)
        found = entry(line).checked(upright)
        assert [(problem.code, problem.annotation) for problem in found.errors] == [(LineError.INVALID_BOUNDING_BOX, 1)]
        assert [box.label for box in found.boxes] == ["cat"]
        assert entry(line).contradicts(upright)
        assert not entry(line).contradicts(FACTS)

    def test_what_a_line_says_wrongly_of_its_image_is_forgiven_once_the_image_is_seen(self) -> None:
        line = boxes("a", "cat", rectangles=[(10, 10, 50, 50)], size=(0, 0))
        assert {problem.code for problem in entry(line).errors} == {
            LineError.INVALID_IMAGE_DIMENSION,
            LineError.NO_VALID_ANNOTATIONS,
            LineError.INVALID_BOUNDING_BOX,
        }
        assert entry(line).checked(FACTS).errors == ()

    def test_a_line_that_cannot_be_used_anyway_needs_no_image(self) -> None:
        for line in ({"source-ref": source("a")}, boxes("a"), changed(CAT, "set_0-metadata", ...)):
            assert not entry(line).needs_image
            assert entry(line).checked(None) == entry(line)
        assert entry(CAT).needs_image

    def test_fractions_that_leave_the_frame_by_rounding_are_cut_off(self) -> None:
        line = boxes("a", "cat", "dog", rectangles=[(-0.3, 100.0, 640.7, 380.4), (10.5, -0.5, 20.0, 40.5)])
        assert entry(line).checked(FACTS).boxes == (
            Box("cat", 0.0, 100.0, 640.0, 380.0),
            Box("dog", 10.5, 0.0, 20.0, 40.0),
        )


class TestFiles:
    def test_lines_are_numbered_and_the_first_of_a_source_ref_is_taken(self) -> None:
        lines = [
            json.dumps(CAT).encode(),
            b"",
            json.dumps({**image_level("a", "dog"), "x": 1}).encode() + b"\r",
            b"\xff",
            json.dumps(BOXED).encode(),
        ]
        found = list(read_manifest(io.BytesIO(b"\xef\xbb\xbf" + b"\n".join(lines))))
        assert [number for number, _ in found] == [1, 2, 3, 4, 5]
        whys = [line.why if isinstance(line, Dropped) else None for _, line in found]
        assert whys == [None, Drop.BLANK, Drop.DUPLICATE_SOURCE_REF, Drop.INVALID_JSON, None]
        repeated = found[2][1]
        assert isinstance(repeated, Dropped)
        assert not repeated.invalid
        assert json.loads(repeated.validation_line())["warnings"] == [
            {
                "code": "WARNING_DUPLICATE_SOURCE_REF",
                "message": "The source-ref is in an earlier line, which is used.",
            }
        ]

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n \n\t\n"])
    def test_the_end_of_a_file_adds_no_line(self, end: bytes) -> None:
        assert len(list(read_manifest(io.BytesIO(json.dumps(CAT).encode() + end)))) == 1

    def test_a_line_of_megabytes_is_one_dropped_line(self) -> None:
        text = b'{"x":"' + b"y" * 1_300_000 + b'"}\n' + json.dumps(CAT).encode()
        numbered = list(read_manifest(io.BytesIO(text)))
        assert numbered[0] == (1, Dropped(Drop.LINE_TOO_LONG))
        assert numbered[1] == (2, entry(CAT))
