"""Boxes matched, counted and weighed."""

from __future__ import annotations

import numpy as np
import pytest

from relook.vision.evaluation import as_record, evaluate_detector
from relook.vision.evaluation.detection import matched, mean_average_precision, overlaps
from relook.vision.labelled import FoundLabel, LabelledBox, Rectangle

LABELS = ["cell", "plate"]


def _true(label: str, *box: float) -> LabelledBox:
    return LabelledBox(label, Rectangle(*box))


def _found(label: str, score: float, *box: float) -> FoundLabel:
    return FoundLabel(label, score, 0.0, Rectangle(*box))


def test_overlaps_are_shares_of_the_union() -> None:
    one = np.array([[0.0, 0.0, 10.0, 10.0]])
    other = np.array([[0.0, 0.0, 10.0, 5.0], [5.0, 5.0, 15.0, 15.0], [20.0, 20.0, 30.0, 30.0]])
    assert overlaps(one, other)[0] == pytest.approx([0.5, 25 / 175, 0.0])


def test_a_true_box_is_found_once() -> None:
    images = [([_true("cell", 0, 0, 10, 10)], [_found("cell", 0.9, 0, 0, 10, 9), _found("cell", 0.8, 0, 0, 10, 10)])]
    row = evaluate_detector(images, LABELS, seed=1).labels[0]
    assert (row.precision, row.recall, row.f1) == (1.0, 1.0, 1.0), "the threshold lies above the second"
    assert row.threshold == pytest.approx(0.85)
    assert row.average_precision == 1.0


def test_the_surer_box_takes_the_one_it_overlaps_most() -> None:
    true = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 2.0, 10.0, 12.0]])
    found = np.array([[0.0, 1.8, 10.0, 11.8], [0.0, 1.9, 10.0, 11.9], [40.0, 0.0, 50.0, 10.0]])
    assert matched(found, true).tolist() == [1, 0, -1]


def test_average_precision_by_hand() -> None:
    images = [
        ([_true("cell", 0, 0, 10, 10)], [_found("cell", 0.9, 0, 0, 10, 10), _found("cell", 0.7, 50, 50, 5, 5)]),
        ([_true("cell", 0, 0, 10, 10), _true("cell", 30, 30, 10, 10)], [_found("cell", 0.6, 30, 30, 10, 10)]),
    ]
    row = evaluate_detector(images, LABELS, seed=1).labels[0]
    assert row.average_precision == pytest.approx(1 / 3 * 1.0 + 1 / 3 * 2 / 3)
    assert (row.images, row.truths) == (2, 3)


def test_coco_averages_over_overlaps_and_labels() -> None:
    # An overlap of .8 is right up to .8: seven of ten overlaps for one label, none of them for the other.
    images = [
        (
            [_true("cell", 0, 0, 10, 10), _true("plate", 50, 50, 10, 10)],
            [_found("cell", 0.9, 0, 0, 10, 8.01)],
        )
    ]
    assert mean_average_precision(images, LABELS) == pytest.approx(0.7 / 2)
    assert mean_average_precision(images, LABELS, overlaps=[0.5]) == pytest.approx(0.5)
    assert mean_average_precision([([], [])], LABELS) == 0.0


def test_the_confusion_tells_wrong_names_from_misses_and_inventions() -> None:
    images = [
        (
            [_true("cell", 0, 0, 10, 10), _true("cell", 30, 0, 10, 10), _true("plate", 60, 0, 10, 10)],
            [
                _found("cell", 0.9, 0, 0, 10, 10),
                _found("plate", 0.8, 30, 0, 10, 10),
                _found("plate", 0.7, 0, 60, 10, 10),
                _found("plate", 0.1, 60, 0, 10, 10),
            ],
        )
    ]
    found = evaluate_detector(images, LABELS, seed=1, thresholds=[0.5, 0.5])
    assert found.confusion.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]
    record = as_record(found)
    confusion, names = record["confusion"], record["confusion_labels"]
    assert names == ["cell", "plate", None]
    assert confusion[names.index("cell")][names.index("plate")] == 1, "a true cell taken for a plate"
    assert confusion[names.index("plate")][names.index(None)] == 1, "a plate that was not found"
    assert confusion[names.index(None)][names.index("plate")] == 1, "a plate where nothing is"
    assert found.labels[1].recall == 0.0


def test_images_without_boxes_count_against_precision() -> None:
    images = [([], [_found("cell", 0.9, 0, 0, 5, 5)]), ([_true("cell", 0, 0, 9, 9)], [_found("cell", 0.8, 0, 0, 9, 9)])]
    row = evaluate_detector(images, LABELS, seed=1).labels[0]
    assert (row.precision, row.recall) == (0.5, 1.0)
    assert row.average_precision == 0.5


def test_nothing_found_at_all() -> None:
    found = evaluate_detector([([_true("cell", 0, 0, 9, 9)], [])], LABELS, seed=1)
    assert (found.f1, found.average_precision, found.labels[0].threshold) == (0.0, 0.0, 0.5)
    assert found.labels[0].curve == ()


def test_a_label_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['disk'\]"):
        evaluate_detector([([_true("disk", 0, 0, 9, 9)], [])], LABELS, seed=1)


def test_resampling_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = [
        (
            [_true("cell", *rng.random(2) * 50, 10, 10) for _ in range(4)],
            [_found("cell", float(rng.random()), *rng.random(2) * 50, 10, 10) for _ in range(30)],
        )
        for _ in range(12)
    ]
    whole = evaluate_detector(images, LABELS, seed=4)
    monkeypatch.setattr("relook.vision.evaluation.evidence._MOST_WEIGHTS", 1000)
    assert evaluate_detector(images, LABELS, seed=4).f1_interval == whole.f1_interval


def test_a_label_that_is_never_found_where_it_is_is_warned_of() -> None:
    images = [([_true("cell", 0, 0, 10, 10)], [_found("cell", 0.9, 50, 50, 5, 5)])] * 12
    found = evaluate_detector(images, LABELS, seed=1)
    assert found.thresholds["cell"] == 0.5
    assert found.labels[0].f1_interval == (0.0, pytest.approx(1 - 0.05 ** (1 / 12)))
    [warning] = [each for each in found.warnings if "cell" in each]
    assert warning.startswith("On no test image is cell found where it is")


def test_without_a_seed_there_are_the_same_figures_but_no_intervals() -> None:
    right = [([_true("cell", 0, 0, 10, 10)], [_found("cell", 0.9, 0, 0, 10, 10), _found("plate", 0.8, 0, 0, 9, 9)])]
    told, plain = evaluate_detector(right, LABELS, seed=1), evaluate_detector(right, LABELS, seed=None)
    assert (told.f1, told.average_precision) == (plain.f1, plain.average_precision)
    assert told.f1_interval == (pytest.approx(0.05), 1.0)
    assert (plain.f1_interval, plain.average_precision_interval, plain.labels[0].f1_interval) == (None, None, None)


def test_a_label_of_which_each_image_says_the_same_is_not_sure() -> None:
    true = [_true("cell", 0, 0, 10, 10), _true("cell", 50, 50, 10, 10)]
    found = evaluate_detector([(true, [_found("cell", 0.9, 0, 0, 10, 10)])] * 3, LABELS, seed=1)
    share = 0.05 ** (1 / 3)
    assert found.labels[0].f1 == pytest.approx(2 / 3)
    assert found.labels[0].f1_interval == (pytest.approx(2 / 3 * share), pytest.approx(1 - share / 3))
    assert found.f1_interval == found.labels[0].f1_interval


def test_a_mean_that_is_the_same_in_all_resamplings_is_as_sure_as_its_labels() -> None:
    cell, plate = _true("cell", 0, 0, 10, 10), _true("plate", 50, 50, 10, 10)
    found = evaluate_detector([([cell, plate], [_found("cell", 0.9, 0, 0, 10, 10)])] * 3, LABELS, seed=1)
    end = 0.05 ** (1 / 3)
    assert [row.f1_interval for row in found.labels] == [(pytest.approx(end), 1.0), (0.0, pytest.approx(1 - end))]
    assert found.f1 == 0.5
    assert found.f1_interval == (pytest.approx(end / 2), pytest.approx(1 - end / 2))
    assert found.average_precision_interval == found.f1_interval
