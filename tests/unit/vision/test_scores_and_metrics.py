from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from relook.vision.calibration import Calibration, best_threshold, fit_platt, from_normals
from relook.vision.metrics import PixelCounts, auroc, average_precision, image_metrics
from relook.vision.samples import DefectClass, Prediction
from relook.vision.samples import TestResult as Result
from relook.vision.scorers import SCORERS
from relook.vision.scorers.base import Layout, Scorer

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
        return Result("k", truth, Prediction(score, 0.5, score >= 0.5, score, 64, 64))

    metrics = image_metrics([result(0.9, True), result(0.4, True), result(0.6, False), result(0.1, False)])
    assert (metrics.precision, metrics.recall, metrics.f1, metrics.roc_auc) == (0.5, 0.5, 0.5, 0.75)


def test_pixel_overlap_is_the_mean_over_images_with_the_class() -> None:
    counts = PixelCounts([DefectClass("a", "#23A436"), DefectClass("b", "#F76902")])
    half = np.array([[1, 1, 0, 0]], np.uint8)
    counts.add(half, np.array([[1, 0, 0, 0]], np.uint8))  # overlap 1/2
    counts.add(half, half)  # overlap 1
    counts.add(half * 0, half * 0)  # says nothing
    first, second = counts.metrics()
    assert (first.precision, first.recall, first.average_iou) == (0.75, 1.0, 0.75)
    assert (second.precision, second.recall, second.f1, second.average_iou) == (0, 0, 0, 0)


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e3))
def test_calibration_increases_and_does_not_saturate(raw: float, more: float) -> None:
    calibration = Calibration(2.0, -1.0)
    low, high = calibration.apply(raw), calibration.apply(raw + more)
    assert 0 < low < high < 1 or math.isclose(low, high, rel_tol=1e-12)
    assert low <= high


def test_far_outliers_stay_apart_after_rounding_to_four_digits() -> None:
    calibration = Calibration(1.0, 0.0)
    assert round(calibration.apply(20), 4) < round(calibration.apply(40), 4)


def test_fitted_calibration_increases_even_for_a_misleading_score() -> None:
    raw, labels = np.arange(20.0), np.arange(20) < 10
    assert fit_platt(raw, labels).slope > 0
    good = fit_platt(raw, ~labels)
    assert good.apply(0) < 0.3 < 0.7 < good.apply(19)


def test_normals_alone_set_a_threshold_above_them_at_one_half() -> None:
    raw = np.random.default_rng(0).normal(3, 1, 200)
    calibration, threshold = from_normals(raw)
    assert (raw > threshold).mean() < 0.05
    assert calibration.apply(threshold) == pytest.approx(0.5)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.name)
def test_every_scorer_ranks_clear_anomalies_higher(scorer: Scorer) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 2 == 1
    descriptors = rng.normal(0, 1, (40, 6 + 2 * 6 + 1)) + 8.0 * labels[:, None]
    first = scorer.fit(descriptors, labels, Layout(6, True))
    assert auroc(first.apply(descriptors), labels) == 1.0
    again = scorer.fit(descriptors, labels, Layout(6, True))
    assert (first.weights == again.weights).all()
    if not scorer.supervised:
        assert (scorer.fit(descriptors, ~labels, Layout(6, True)).weights == first.weights).all()


def test_scorer_names_are_unique() -> None:
    assert len({scorer.name for scorer in SCORERS}) == len(SCORERS)
