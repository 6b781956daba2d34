from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from custom_labels_lines import boxes, changed, entry, image_level
from relook.core.custom_labels.errors import ContentError, Drop
from relook.core.custom_labels.manifest import Dropped, Entry, ImageFacts
from relook.core.custom_labels.usable import Learning, Line, Outcome, Plan, TrainingLimits, UseCase, decide
from relook.vision.labelled import LabelTask

FACTS = ImageFacts("PNG", 640, 480, 1000)


def lines(*documents: dict[str, Any]) -> list[Line]:
    return [entry(document).checked(FACTS) for document in documents]


def pictures(prefix: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    return [image_level(f"{prefix}{index}", label) for index, label in enumerate(labels)]


def boxed(prefix: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    return [boxes(f"{prefix}{index}", label) for index, label in enumerate(labels)]


def plan(outcome: Outcome) -> Plan:
    assert outcome.summary.failure is None, outcome.summary
    assert outcome.plan is not None
    return outcome.plan


TRAIN = pictures("train", "abab")
TEST = pictures("test", "ab")
BAD = image_level("bad", "x" * 300)


class TestPlans:
    def test_one_label_for_each_image_is_single_label(self) -> None:
        found = plan(decide(lines(*TRAIN), lines(*TEST), seed=1))
        assert (found.learning, found.labels) == (Learning.SINGLE_LABEL, ("a", "b"))
        assert [one.labels for one in found.train] == [("a",), ("b",), ("a",), ("b",)]
        assert [one.source_ref for one in found.test] == [one["source-ref"] for one in TEST]

    @pytest.mark.parametrize("where", ["train", "test"])
    def test_two_labels_for_any_image_are_multi_label(self, where: str) -> None:
        both = [image_level("both", "a", "b")]
        train, test = (TRAIN + both, TEST) if where == "train" else (TRAIN, TEST + both)
        assert plan(decide(lines(*train), lines(*test), seed=1)).learning is Learning.MULTI_LABEL

    def test_boxes_are_a_detector_of_one_label_even(self) -> None:
        found = plan(decide(lines(*boxed("train", "aa")), lines(*boxed("test", "a")), seed=1))
        assert (found.learning, found.labels) == (Learning.DETECTION, ("a",))
        assert [box.label for one in found.train for box in one.boxes] == ["a", "a"]

    def test_the_values_are_those_of_the_trainers_tasks(self) -> None:
        assert [str(one) for one in Learning] == [str(one) for one in LabelTask]

    @pytest.mark.parametrize(
        ("image_levels", "box_lines", "case"),
        [(3, 2, UseCase.IMAGE_LEVEL_LABELS), (2, 3, UseCase.OBJECT_LOCALIZATION), (3, 3, UseCase.OBJECT_LOCALIZATION)],
    )
    def test_of_mixed_lines_the_majority_decides_and_the_others_are_ignored(
        self, image_levels: int, box_lines: int, case: UseCase
    ) -> None:
        train = pictures("p", "abc"[:image_levels]) + boxed("b", "abc"[:box_lines])
        outcome = decide(lines(*train), lines(*pictures("tp", "abc"), *boxed("tb", "abc")), seed=1)
        found, used = plan(outcome), max(image_levels, box_lines)
        assert (found.learning is Learning.DETECTION) == (case is UseCase.OBJECT_LOCALIZATION)
        assert (len(found.train), len(found.test)) == (used, 3)
        assert all(bool(one.boxes) != bool(one.labels) for one in (*found.train, *found.test))
        figures = outcome.summary.training
        assert (figures.use_case, figures.valid, figures.ignored, figures.invalid) == (case, used, len(train) - used, 0)

    def test_a_line_of_both_kinds_teaches_the_kind_chosen_alone(self) -> None:
        bb = {key: value for key, value in boxes("x", "c").items() if key != "source-ref"}
        both = {**image_level("both", "a"), **bb}
        found = plan(decide(lines(*TRAIN, both), lines(*TEST, {**both, "source-ref": "s3://images/t"}), seed=1))
        assert found.labels == ("a", "b")
        assert [one.boxes for one in (*found.train, *found.test)] == [()] * 8

    def test_labels_that_only_the_test_images_have_are_not_tested(self) -> None:
        test = [*TEST, image_level("t-c", "c"), image_level("t-bc", "b", "c")]
        found = plan(decide(lines(*TRAIN), lines(*test), seed=1))
        assert (found.labels, found.unknown) == (("a", "b"), ("c",))
        assert [one.labels for one in found.test] == [("a",), ("b",), ("b",)]
        assert found.learning is Learning.SINGLE_LABEL, "a label that is not trained on makes no image one of several"

    def test_boxes_that_only_the_test_images_have_are_not_tested(self) -> None:
        found = plan(decide(lines(*boxed("p", "ab")), lines(boxes("t", "a", "c", "b"), boxes("u", "c")), seed=1))
        assert [[box.label for box in one.boxes] for one in found.test] == [["a", "b"]]
        assert found.unknown == ("c",)

    def test_a_set_without_labels_has_too_few_of_them_to_be_split(self) -> None:
        bare = lines(*({"source-ref": f"s3://images/bare-{at}"} for at in range(16)))
        outcome = decide(bare, None, seed=1)
        assert (outcome.plan, outcome.summary.failure) == (None, ContentError.TOO_FEW_LABELS)

    def test_without_a_test_set_a_fifth_is_split_off(self) -> None:
        train = lines(*pictures("p", "ab" * 10), {"source-ref": "s3://images/bare"})
        outcome = decide(train, None, seed=3)
        found = plan(outcome)
        assert (len(found.train), len(found.test)) == (16, 4)
        assert {label for one in found.test for label in one.labels} == {"a", "b"}
        assert not {one.source_ref for one in found.train} & {one.source_ref for one in found.test}
        # What cannot be trained on stays in the training set, where its warning is shown.
        assert (outcome.summary.training.total, outcome.summary.training.ignored) == (17, 1)
        assert outcome.summary.testing.total == 4
        assert sorted([*outcome.training, *outcome.testing], key=train.index) == train
        assert decide(train, None, seed=3) == outcome

    def test_copies_of_an_image_stay_on_one_side_of_the_split(self) -> None:
        train = lines(*pictures("p", "ab" * 10))
        copies = {one.source_ref: str(index // 4) for index, one in enumerate(train) if isinstance(one, Entry)}
        found = plan(decide(train, None, seed=3, content=lambda one: copies[one.source_ref]))
        assert len(found.test) == 4
        assert len({copies[one.source_ref] for one in found.test}) == 1


REFUSED: list[tuple[str, list[Line], list[Line] | None, ContentError, str]] = [
    ("rows", lines(*TRAIN, *pictures("p", "ab" * 3)), lines(*TEST), ContentError.ROWS_EXCEEDS_MAXIMUM, "training"),
    (
        "invalid",
        lines(*TRAIN, BAD, image_level("c", "")),
        lines(*TEST),
        ContentError.TOO_MANY_INVALID_ROWS,
        "training",
    ),
    ("invalid-test", lines(*TRAIN), lines(*TEST, BAD), ContentError.TOO_MANY_INVALID_ROWS, "testing"),
    (
        "dropped",
        [*lines(*TRAIN[:3]), Dropped(Drop.INVALID_JSON)],
        lines(*TEST),
        ContentError.TOO_MANY_INVALID_ROWS,
        "training",
    ),
    (
        "missing-images",
        [*lines(*TRAIN), *(entry(one).checked(None) for one in pictures("gone", "ab"))],
        lines(*TEST),
        ContentError.TOO_MANY_INVALID_ROWS,
        "training",
    ),
    (
        "buckets",
        lines(*TRAIN, image_level("x", "a", bucket="elsewhere")),
        lines(*TEST),
        ContentError.MULTIPLE_BUCKETS,
        "training",
    ),
    ("autosplit", lines(*pictures("p", "abcd")), None, ContentError.INSUFFICIENT_IMAGES_FOR_AUTOSPLIT, "training"),
    ("one-label", lines(*pictures("p", "aa")), lines(*pictures("t", "a")), ContentError.TOO_FEW_LABELS, "training"),
    ("no-label", lines({"source-ref": "s3://images/a"}), lines(*TEST), ContentError.TOO_FEW_LABELS, "training"),
    ("nothing", [], lines(*TEST), ContentError.TOO_FEW_LABELS, "training"),
    (
        "labels",
        lines(*pictures("p", "abcde")),
        lines(*pictures("t", "abcd")),
        ContentError.TOO_MANY_LABELS,
        "training",
    ),
    (
        "labels-test",
        lines(*pictures("p", "abcd")),
        lines(*pictures("t", "abcde")),
        ContentError.TOO_MANY_LABELS,
        "testing",
    ),
    (
        "overlap",
        lines(*pictures("p", "abc")),
        lines(*pictures("t", "a")),
        ContentError.INSUFFICIENT_LABEL_OVERLAP,
        "both",
    ),
    ("no-test", lines(*TRAIN), [], ContentError.INSUFFICIENT_LABEL_OVERLAP, "both"),
    (
        "usable",
        lines(*pictures("p", "aaa"), *boxed("b", "b")),
        lines(*pictures("t", "ab")),
        ContentError.TOO_FEW_USABLE_LABELS,
        "training",
    ),
    (
        "usable-overlap",
        lines(*TRAIN),
        lines(*boxed("t", "ab")),
        ContentError.INSUFFICIENT_USABLE_LABEL_OVERLAP,
        "both",
    ),
]


class TestRefusals:
    """Every terminal content error that is decided without looking into S3."""

    @pytest.mark.parametrize(
        ("train", "test", "error", "where"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
    )
    def test_a_training_is_refused_with_its_code_in_the_summary(
        self, train: list[Line], test: list[Line] | None, error: ContentError, where: str
    ) -> None:
        outcome = decide(train, test, seed=1, limits=TrainingLimits(rows=9, labels=4))
        assert outcome.plan is None
        assert outcome.summary.failure is error
        document = outcome.summary.document()
        errors = document["errors"] if where == "both" else document["statistics"][where]["errors"]
        assert {"code": str(error), "message": error.message} in errors

    def test_the_codes_that_only_s3_can_tell_are_the_only_others(self) -> None:
        assert set(ContentError) - {case[3] for case in REFUSED} == {
            ContentError.INVALID_PERMISSIONS,
            ContentError.INVALID_BUCKET_OWNER,
            ContentError.FAILED_IMAGES_COPY,
        }

    def test_exactly_a_fifth_may_be_invalid_and_ignored_lines_do_not_count(self) -> None:
        bare = [{"source-ref": f"s3://images/bare{index}"} for index in range(5)]
        assert decide(lines(*TRAIN, BAD), lines(*TEST), seed=1).plan is not None
        assert decide(lines(*TRAIN, *bare), lines(*TEST), seed=1).plan is not None
        assert decide(lines(*TRAIN[:3], BAD), lines(*TEST), seed=1).plan is None

    def test_as_many_lines_as_are_allowed_are_not_too_many(self) -> None:
        limits = TrainingLimits(rows=4, labels=2)
        assert decide(lines(*TRAIN), lines(*TEST), seed=1, limits=limits).plan is not None

    @pytest.mark.parametrize(
        "beside",
        [
            lines(*boxed("b", "cde")),
            [entry(line).checked(None) for line in pictures("gone", "cde")],
            lines(*(changed(boxes(f"off{label}", label), "bb/annotations/0/left", -9) for label in "cde")),
        ],
        ids=["of the other kind", "without an image", "off the frame"],
    )
    def test_labels_that_nothing_is_learned_of_need_no_test(self, beside: list[Line]) -> None:
        """No split could give them to the test set."""
        images = lines(*pictures("p", "ab" * 10))
        found = plan(decide([*images, *beside], None, seed=1))
        assert found.labels == ("a", "b")
        assert found.test
        assert decide([*images[4:], *beside], images[:4], seed=1).plan is not None

    def test_half_of_the_training_labels_are_overlap_enough(self) -> None:
        found = plan(decide(lines(*pictures("p", "abcd")), lines(*pictures("t", "ab")), seed=1))
        assert found.labels == ("a", "b", "c", "d")

    def test_the_texts_are_those_of_the_original(self) -> None:
        assert ContentError.INSUFFICIENT_USABLE_LABEL_OVERLAP.message == (
            "Less than 50% usable label overlap between the training and testing manifest files."
        )


def test_the_summary_counts_and_numbers_lines_from_one() -> None:
    off = changed(boxes("off", "a", "a"), "bb/annotations/0/left", -9)
    train = lines(*boxed("p", "aaaaa"), off, BAD, {"source-ref": "s3://images/bare"})
    repeated = Dropped(Drop.DUPLICATE_SOURCE_REF, entry=entry(boxed("p", "a")[0]))
    outcome = decide([*train, repeated], lines(*boxed("t", "a")), seed=1)
    assert outcome.summary.document() == {
        "statistics": {
            "training": {
                "use_case": "OBJECT_LOCALIZATION",
                "total_json_lines": 9,
                "valid_json_lines": 6,
                "invalid_json_lines": 1,
                "ignored_json_lines": 2,
                "error_json_line_indices": [6, 7],
                "errors": [],
            },
            "testing": {
                "use_case": "OBJECT_LOCALIZATION",
                "total_json_lines": 1,
                "valid_json_lines": 1,
                "invalid_json_lines": 0,
                "ignored_json_lines": 0,
                "error_json_line_indices": [],
                "errors": [],
            },
        },
        "errors": [],
    }
    # An image of which one box has an error is trained on without that box.
    assert [len(one.boxes) for one in plan(outcome).train] == [1] * 6


def test_what_fails_before_the_labels_are_looked_at_has_no_use_case() -> None:
    outcome = decide(lines(*TRAIN[:1], BAD), lines(*TEST), seed=1)
    assert [one.use_case for one in (outcome.summary.training, outcome.summary.testing)] == [UseCase.NOT_DETERMINED] * 2
    assert outcome.summary.training.valid == 1
