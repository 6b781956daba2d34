"""Bootstrap intervals, and what a training says of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from relook.vision import samples
from relook.vision.intervals import Intervals, of_images
from relook.vision.metrics import auroc
from relook.vision.samples import DefectClass, Prediction
from relook.vision.training_report import as_record, interval_notes, of_held_out, of_tests, pointing_notes, spread

CRACK = DefectClass("crack", "#23A436")


def drawn(normals: int, anomalies: int, gap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    anomalous = np.arange(normals + anomalies) >= normals
    return rng.normal(gap * anomalous, 1.0).round(1), anomalous  # rounded, so that scores tie


def measured(normals: int, anomalies: int, gap: float = 2.0, seed: int = 0) -> Intervals:
    scores, anomalous = drawn(normals, anomalies, gap, seed)
    found = of_images(scores, scores >= gap / 2, anomalous, seed)
    assert found is not None
    return found


def test_the_figures_are_those_of_the_images_and_lie_in_their_intervals() -> None:
    scores, anomalous = drawn(30, 20, 1.5, seed=1)
    said = scores >= 0.8
    found = of_images(scores, said, anomalous, seed=1)
    assert found is not None
    hits = int((said & anomalous).sum())
    assert (found.normals, found.anomalies, found.images) == (30, 20, 50)
    assert found.errors == int((said != anomalous).sum()) > 0
    assert found.recall.value == hits / 20
    assert found.precision.value == hits / said.sum()
    assert found.f1.value == pytest.approx(2 * hits / (said.sum() + 20))
    assert found.roc_auc.value == auroc(scores, anomalous)
    for each in (found.f1, found.precision, found.recall, found.roc_auc):
        assert 0 <= each.low < each.value < each.high <= 1


def test_resampled_areas_are_those_of_the_plain_formula() -> None:
    """Draw image by image, as the textbook does, and compare the quantiles."""
    scores, anomalous = drawn(25, 15, 1.0, seed=2)
    found = of_images(scores, scores >= 0.5, anomalous, seed=2)
    assert found is not None
    rng = np.random.default_rng(99)
    areas = []
    for _ in range(4000):
        bad, good = rng.choice(scores[anomalous], 15), rng.choice(scores[~anomalous], 25)
        areas.append(auroc(np.concatenate([bad, good]), np.arange(40) < 15))
    low, high = np.quantile(np.array(areas, float), (0.025, 0.975))
    assert found.roc_auc.low == pytest.approx(low, abs=0.015)
    assert found.roc_auc.high == pytest.approx(high, abs=0.015)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """The AUROC of two normal distributions a distance of 1 apart is 0.760; 95 % intervals miss it now and then."""
    inside = [
        found.roc_auc.low <= 0.760 <= found.roc_auc.high for found in (measured(40, 40, 1.0, at) for at in range(60))
    ]
    assert 0.85 <= np.mean(inside) <= 1.0


def test_more_images_make_the_interval_narrower() -> None:
    few, many = measured(20, 20, 1.0), measured(320, 320, 1.0)
    assert many.f1.width < few.f1.width / 2
    assert many.roc_auc.width < few.roc_auc.width / 2


def test_the_same_seed_gives_the_same_interval_and_one_label_gives_none() -> None:
    assert measured(12, 9, seed=5) == measured(12, 9, seed=5)
    scores, anomalous = drawn(10, 0, 1.0, seed=0)
    assert of_images(scores, scores > 1, anomalous, seed=0) is None


def test_overlap_is_over_the_images_that_have_the_class() -> None:
    scores, anomalous = drawn(5, 5, 3.0, seed=3)
    found = of_images(scores, scores > 1.5, anomalous, 3, [(0.2, 0.6, 0.7, 0.9), ()])
    assert found is not None
    crack, missing = found.average_iou
    assert missing is None
    assert crack is not None
    assert crack.value == pytest.approx(0.6)
    assert 0.2 <= crack.low < 0.6 < crack.high <= 0.9


def answers(normals: int, anomalies: int, wrong: int = 0) -> list[samples.TestResult]:
    """`wrong` of the anomalies are missed."""
    found = []
    for at in range(normals + anomalies):
        anomalous = at >= normals
        said = anomalous and at >= normals + wrong
        score = 0.9 - at / 1000 if said else 0.1 + at / 1000
        prediction = Prediction(score, 0.5, said, max(score, 1 - score), 9, 9)
        found.append(samples.TestResult(str(at), anomalous, prediction, (0.5, 0.5)))
    return found


def notes(normals: int, anomalies: int, wrong: int = 0) -> list[str]:
    tests = answers(normals, anomalies, wrong)
    return interval_notes(of_tests(tests, (), seed=1), None, (), len(tests))


def test_the_sentence_names_figure_interval_and_images() -> None:
    told = notes(100, 100, wrong=10)
    assert len(told) == 1
    assert told[0].startswith("F1 0.95, 95 % interval 0.9")
    assert "from 200 test images; precision 1.00 (1.00 to 1.00); recall 0.90 (0.8" in told[0]


def test_too_few_images_are_told() -> None:
    assert any("Too few test images" in note and "9 normal and 40 anomalous" in note for note in notes(9, 40, wrong=1))
    wide = notes(12, 12, wrong=4)
    assert any("Too few test images" in note for note in wide), "enough of each label, but the interval is wide"
    assert not any("Too few" in note for note in notes(10, 40, wrong=1))
    assert any("8 anomalous ones are not enough" in note for note in notes(8, 8)), "an interval without width"


def test_a_flawless_result_of_few_images_proves_little() -> None:
    told = notes(20, 30)
    assert told[0].startswith("F1 1.00, 95 % interval 1.00 to 1.00 from 50 test images")
    assert any("with 20 images of a label, up to 14 %" in note for note in told)  # 1 - 0.05 ** (1 / 20)


def test_test_images_of_one_label_cannot_tell() -> None:
    assert notes(12, 0) == ["The test images have one label only: they cannot tell how well the labels are told apart."]
    [none] = interval_notes(None, None, (), 0)
    assert none.startswith("There are no test images: ")


def test_masks_and_cross_validation_are_told_and_recorded() -> None:
    scores, anomalous = drawn(40, 30, 2.0, seed=4)
    held_out = of_held_out(scores, 1.0, anomalous, seed=4)
    test = of_tests(answers(20, 20, wrong=2), [(0.5, 0.7)], seed=4)
    told = interval_notes(test, held_out, (CRACK,), 40)
    assert "mean IoU of crack 0.60 (0.50 to 0.70)" in told[0]
    assert "from 70 training images by cross-validation" in told[-1]
    record = json.loads(json.dumps(as_record(test, held_out), allow_nan=False))
    assert (record["level"], record["resamplings"]) == (0.95, 1000)
    assert record["test"]["average_iou"] == [{"value": pytest.approx(0.6), "low": 0.5, "high": 0.7}]
    assert set(record["held_out"]["f1"]) == {"value", "low", "high"}
    assert as_record(None, None)["test"] is None


def test_the_spread_of_raw_scores_is_by_label() -> None:
    raw, anomalous = np.array([1.0, 2.0, 3.0, 7.0]), np.array([False, False, False, True])
    assert spread(raw, anomalous, planted=True) == {"normal": [1, 1.5, 2, 2.5, 3], "planted": [7] * 5}
    assert list(spread(raw, np.zeros(4, bool), planted=False)) == ["normal"]


def test_where_the_hottest_points_lie_is_told_with_a_warning_below_half() -> None:
    tests = [replace(each, on_mask=at < 3) for at, each in enumerate(answers(0, 5))]
    assert pointing_notes(tests) == [
        "The hottest point lies on the mask, or a cell beside it, in 3 of 5 test images with a mask."
    ]
    few = [replace(each, on_mask=at < 2) for at, each in enumerate(answers(0, 5))]
    assert pointing_notes(few)[0].endswith("look at the heat maps of the others.")
    assert pointing_notes(answers(3, 3)) == []
