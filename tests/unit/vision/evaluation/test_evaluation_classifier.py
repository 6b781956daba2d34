"""Thresholds, rates, curves and intervals of classifiers, by hand and against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve

from relook.vision.evaluation import Evaluation, as_record, evaluate_classifier


def _one(scores: list[float], truth: list[int], single: bool = False) -> Evaluation:
    return evaluate_classifier(
        np.array(truth, bool)[:, None], np.array(scores)[:, None], ["crack"], single=single, seed=1
    )


def test_a_model_that_tells_them_apart_has_everything_at_one() -> None:
    found = _one([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0])
    row = found.labels[0]
    assert (row.precision, row.recall, row.f1, row.average_precision) == (1.0, 1.0, 1.0, 1.0)
    assert row.threshold == pytest.approx(0.55), "the middle of the gap"
    assert row.f1_interval == (pytest.approx(0.05**0.5), 1.0), "two right of two say little"
    assert (row.images, row.truths) == (2, 2)


def test_where_all_labels_are_right_their_mean_is_as_sure_as_they_are() -> None:
    truths = np.repeat(np.eye(2, dtype=bool), [2, 5], axis=0)
    found = evaluate_classifier(truths, np.where(truths, 0.9, 0.1), ["a", "b"], single=True, seed=1)
    assert [row.f1_interval for row in found.labels] == [(pytest.approx(0.05 ** (1 / n)), 1.0) for n in (2, 5)]
    assert found.f1_interval == (pytest.approx((0.05 ** (1 / 2) + 0.05 ** (1 / 5)) / 2), 1.0)
    assert found.average_precision_interval == found.f1_interval


def test_the_threshold_is_the_one_of_the_best_f1() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(80) < 0.4
    scores = np.clip(truth * 0.3 + rng.random(80) * 0.7, 0, 1).round(2)
    row = _one(scores.tolist(), truth.astype(int).tolist()).labels[0]
    best = max(f1_score(truth, scores >= at) for at in np.unique(scores))
    assert row.f1 == pytest.approx(best)
    assert f1_score(truth, scores >= row.threshold) == pytest.approx(best)


def test_equally_good_thresholds_give_the_widest_gap() -> None:
    # At .9 and at .4 the F1 is 2/3; from .4 down to .1 nothing lies, from .9 down to .8 something does.
    row = _one([0.9, 0.8, 0.7, 0.4, 0.1], [1, 0, 0, 1, 0]).labels[0]
    assert row.f1 == pytest.approx(2 / 3)
    assert row.threshold == pytest.approx(0.25)


def test_average_precision_is_the_area_under_the_falling_curve() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(60) < 0.5
    scores = (truth * 0.2 + rng.random(60)).round(1)
    precision, recall, _ = precision_recall_curve(truth, scores)
    falling = np.maximum.accumulate(precision)  # given from the lowest threshold on
    by_hand = float(np.sum(-np.diff(recall) * falling[:-1]))
    assert _one(scores.tolist(), truth.astype(int).tolist()).labels[0].average_precision == pytest.approx(by_hand)


def test_the_curve_ends_where_everything_is_said() -> None:
    row = _one([0.9, 0.9, 0.3], [1, 0, 1]).labels[0]
    assert row.curve == ((0.9, 0.5, 0.5), (0.3, pytest.approx(2 / 3), 1.0))


def test_a_label_that_no_test_image_has_is_told_and_left_out_of_the_means() -> None:
    truths = np.array([[1, 0], [1, 0], [0, 0]], bool)
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    found = evaluate_classifier(truths, scores, ["a", "b"], single=False, seed=1)
    assert found.labels[1].threshold == 0.5
    assert found.labels[1].average_precision is None
    assert (found.f1, found.average_precision) == (1.0, 1.0)
    assert "b" in found.warnings[0]
    assert "a (2)" in found.warnings[1]


def test_the_confusion_of_single_labels_counts_the_surest() -> None:
    truths = np.eye(3, dtype=bool)[[0, 0, 1, 2]]
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    found = evaluate_classifier(truths, scores, ["a", "b", "c"], single=True, seed=1)
    assert found.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    record = as_record(found)
    assert record["confusion_labels"] == ["a", "b", "c"]
    assert record["confusion"][0][1] == 1, "a true a taken for b"
    close = evaluate_classifier(
        np.array([[0, 1]], bool), np.array([[0.499999, 0.500001]]), ["a", "b"], single=True, seed=1
    )
    assert close.confusion.tolist() == [[0, 0], [0, 1]], "told alike, and yet one is surer"


def test_the_confusion_of_several_labels_counts_what_is_said_and_off_the_diagonal_only_what_is_wrong() -> None:
    truths = np.array([[1, 1], [0, 1]], bool)
    scores = np.array([[0.9, 0.9], [0.9, 0.9]])
    found = evaluate_classifier(truths, scores, ["a", "b"], single=False, seed=1, thresholds=[0.5, 0.95])
    assert found.confusion.tolist() == [[1, 0], [1, 0]]  # a is right on the first image and said for b on the second
    assert found.thresholds == {"a": 0.5, "b": 0.95}
    perfect = evaluate_classifier(truths, truths.astype(float), ["a", "b"], single=False, seed=1)
    assert perfect.confusion.tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        ([0.000_021, 0.000_014], 0.000_02),
        ([0.000_002, 0.000_001], 0.000_01),
        ([0.999_998, 0.999_994], 1.0),
        ([0.123_446, 0.1], 0.111_73),
    ],
    ids=["a step apart", "both told as nothing", "a step from one", "told as more than it is"],
)
def test_thresholds_have_the_decimals_of_what_is_told(scores: list[float], threshold: float) -> None:
    row = _one(scores, [1, 0]).labels[0]
    assert row.threshold == threshold
    said = [round(score, 5) >= threshold for score in scores]
    assert (row.precision, row.recall) == ((1.0, 1.0) if said[0] else (0.0, 0.0))
    assert not said[1]


def test_a_true_image_that_is_told_as_nothing_does_not_draw_the_threshold_down() -> None:
    """No threshold reaches down to it."""
    row = _one([0.9, 0.8, 0.0], [1, 0, 1]).labels[0]
    assert row.threshold == pytest.approx(0.85)
    assert row.f1 == pytest.approx(2 / 3)


def test_intervals_are_wide_where_images_are_few_and_the_same_each_time() -> None:
    rng = np.random.default_rng(7)

    def width(images: int) -> float:
        truth = np.arange(images) % 2 == 0
        scores = np.clip(truth * 0.3 + rng.random(images) * 0.7, 0, 1)
        found = [evaluate_classifier(truth[:, None], scores[:, None], ["a"], single=False, seed=2) for _ in range(2)]
        assert found[0].f1_interval == found[1].f1_interval
        assert found[0].f1_interval is not None
        low, high = found[0].f1_interval
        assert low <= found[0].f1 <= high
        return high - low

    assert width(16) > 2 * width(400)


def test_the_record_is_json() -> None:
    record = as_record(_one([0.9, 0.2, 0.6], [1, 0, 1]))
    assert json.loads(json.dumps(record)) == record
    assert record["labels"][0]["f1"]["value"] == 1.0


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        evaluate_classifier(np.zeros((0, 2), bool), np.zeros((0, 2)), ["a", "b"], single=True, seed=1)
