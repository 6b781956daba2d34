from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from relook.vision.calibration import (
    LEAST_SPREAD,
    NORMAL_DEVIATIONS,
    Calibration,
    best_threshold,
    fit_platt,
    from_normals,
    steady_threshold,
)
from relook.vision.metrics import PixelCounts, auroc, average_precision, best_f1, image_metrics
from relook.vision.samples import DefectClass, Prediction
from relook.vision.samples import TestResult as Result

labelled = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({label for _, label in pairs}) == 2
)


@given(labelled)
def test_ranking_metrics_are_scikit_learns(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([float(s) for s, _ in pairs]), np.array([label for _, label in pairs])
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))


@given(labelled)
def test_no_threshold_has_a_better_f1(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([float(s) for s, _ in pairs]), np.array([label for _, label in pairs])
    best = max(f1_score(labels, scores >= cut) for cut in scores)
    assert f1_score(labels, scores >= best_threshold(scores, labels)) == pytest.approx(best)


def test_one_class_alone_has_no_ranking() -> None:
    scores, labels = np.array([0.1, 0.2]), np.array([False, False])
    assert auroc(scores, labels) is None
    assert average_precision(scores, labels) is None


def test_image_metrics_use_the_decisions() -> None:
    def result(score: float, truth: bool) -> Result:
        return Result("k", truth, Prediction(score, 0.5, score >= 0.5, score, 64, 64), (0.5, 0.5))

    metrics = image_metrics([result(0.9, True), result(0.4, True), result(0.6, False), result(0.1, False)])
    assert (metrics.precision, metrics.recall, metrics.f1, metrics.roc_auc) == (0.5, 0.5, 0.5, 0.75)
    for none in ([], [result(0.6, False), result(0.1, False)]):
        untold = image_metrics(none)
        assert (untold.precision, untold.recall, untold.f1, untold.roc_auc) == (None,) * 4
    missed = image_metrics([result(0.1, True)])
    assert (missed.precision, missed.recall, missed.f1) == (0, 0, 0)


def test_pixel_overlap_is_the_mean_over_images_with_the_class() -> None:
    counts = PixelCounts([DefectClass("a", "#23A436"), DefectClass("b", "#F76902")])
    half = np.array([[1, 1, 0, 0]], np.uint8)
    counts.add(half, np.array([[1, 0, 0, 0]], np.uint8))  # overlap 1/2
    counts.add(half, half)  # overlap 1
    counts.add(half * 0, half * 0)  # says nothing
    first, second = counts.metrics()
    assert (first.precision, first.recall, first.average_iou) == (0.75, 1.0, 0.75)
    assert (second.precision, second.recall, second.f1, second.average_iou) == (None, None, None, None)


@given(st.floats(-1e4, 1e4), st.floats(1e-2, 1e3))
def test_calibration_increases_and_does_not_saturate(raw: float, more: float) -> None:
    calibration = Calibration(2.0, -1.0)
    low, high = calibration.apply(raw), calibration.apply(raw + more)
    assert 0 < low < high < 1


def test_far_outliers_stay_apart_after_rounding_to_four_digits() -> None:
    calibration = Calibration(1.0, 0.0)
    assert round(calibration.apply(20), 4) < round(calibration.apply(40), 4)


def test_fitted_calibration_increases_even_for_a_misleading_score() -> None:
    raw, labels = np.arange(20.0), np.arange(20) < 10
    assert fit_platt(raw, labels).slope > 0
    good = fit_platt(raw, ~labels)
    assert good.apply(0) < 0.3 < 0.7 < good.apply(19)


def test_normals_alone_set_a_threshold_some_deviations_up_at_one_half() -> None:
    raw = np.random.default_rng(0).normal(3, 1, 20_000)
    calibration, threshold = from_normals(raw)
    assert threshold == pytest.approx(3 + NORMAL_DEVIATIONS, abs=0.05)
    assert calibration.apply(threshold) == pytest.approx(0.5)


def test_normals_that_are_all_but_the_same_leave_room_above_them() -> None:
    """By a spread of nothing the next good part would be an anomaly, of a confidence of 1."""
    calibration, threshold = from_normals(np.array([0.1] * 12 + [0.1001, 0.0999]))
    assert threshold - 0.1 == pytest.approx(NORMAL_DEVIATIONS * LEAST_SPREAD, rel=0.01)
    assert calibration.apply(0.12) < 0.5
    assert 0.99 < calibration.apply(100) < 1


def test_a_mislabelled_normal_does_not_lift_the_threshold() -> None:
    raw = np.random.default_rng(0).normal(3, 1, 40)
    clean, wrong = from_normals(raw)[1], from_normals(np.append(raw, [50.0, 90.0]))[1]
    assert clean <= wrong < clean + 0.5


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_few_normals_that_lie_evenly_are_all_below_the_threshold(count: int) -> None:
    raw = np.linspace(-1, 1, count)
    assert 1 < from_normals(raw)[1] < 2


@given(labelled)
def test_the_best_f1_is_that_of_the_best_threshold(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([float(s) for s, _ in pairs]), np.array([label for _, label in pairs])
    assert best_f1(scores, labels) == pytest.approx(max(f1_score(labels, scores >= cut) for cut in scores))


def test_the_best_f1_of_nothing_to_find_is_nothing() -> None:
    assert best_f1(np.array([0.1, 0.9]), np.array([False, False])) == 0


def test_the_steady_threshold_lies_between_labels_that_lie_apart() -> None:
    raw = np.array([0.0, 0.1, 0.2, 0.3, 1.0, 1.1, 1.2, 1.3])
    labels = raw > 0.5
    assert 0.3 < steady_threshold(raw, labels, seed=0) < 1.0
    assert steady_threshold(raw, labels, seed=0) == steady_threshold(raw, labels, seed=0)
    assert steady_threshold(raw, labels, seed=0) != steady_threshold(raw, labels, seed=1)


def test_the_steady_threshold_varies_less_between_draws_than_the_best() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) >= 30
    draws = [rng.normal(0, 1, 60) + 1.5 * labels for _ in range(40)]
    best = [best_threshold(raw, labels) for raw in draws]
    steady = [steady_threshold(raw, labels, seed=0) for raw in draws]
    assert np.std(steady) < 0.8 * np.std(best)
    assert np.mean(steady) == pytest.approx(np.mean(best), abs=0.3)


@pytest.mark.parametrize(("anomalies", "normals", "apart"), [(4, 100, 10), (6, 200, 12), (10, 390, 20), (5, 145, 16)])
def test_few_anomalies_told_well_are_calibrated_between_0_and_1(anomalies: int, normals: int, apart: float) -> None:
    rng = np.random.default_rng(0)
    raw = np.concatenate([rng.normal(0, 1, normals), rng.normal(apart, 1, anomalies)])
    found = fit_platt(raw, np.arange(len(raw)) >= normals)
    assert found.apply(0) < 0.1
    assert found.apply(apart) > 0.6
