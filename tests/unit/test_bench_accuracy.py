"""What the accuracy benches are given, how answers become figures, and which images the few-shot draws take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import accuracy, fewshot, given, judge, sets
from bench.accuracy import CROSSED, OFFICIAL, Row
from bench.fewshot import Draw
from bench.sets import DataSet

from relook.demo.render import Sizes
from relook.vision.samples import Sample, Task
from relook.vision.train import Options
from relook.vision.weights import choose

TINY = Sizes(normal=8, each_defect=6, unseen_normal=2, unseen_each=2, defects=("scratch",))


@pytest.fixture(scope="module")
def plates() -> DataSet:
    return given.drawn(TINY)


def keys(samples: list[Sample]) -> set[str]:
    return {sample.key for sample in samples}


def test_folds_hold_every_image_out_once_and_both_labels_evenly(plates: DataSet) -> None:
    splits = plates.splits()
    assert list(splits) == ["official", "fold 1", "fold 2", "fold 3", "fold 4"]
    held: list[str] = []
    for name in list(splits)[1:]:
        training, outside = splits[name]
        assert not keys(training) & keys(outside)
        assert keys(training) | keys(outside) == keys(list(plates.pool))
        assert sum(not sample.anomalous for sample in outside) == 2
        held += [sample.key for sample in outside]
    assert sorted(held) == sorted(sample.key for sample in plates.pool)
    assert not keys(splits["official"][0]) & keys(splits["official"][1])


def test_normals_only_trains_on_no_anomaly_and_is_tested_on_the_same_images(plates: DataSet) -> None:
    bare = sets.without_anomalies(plates)
    assert (bare.task, bare.masked) == (Task.CLASSIFICATION, plates.masked)
    assert list(bare.splits()) == list(plates.splits())
    for name, (training, held) in bare.splits().items():
        assert training
        assert not any(sample.anomalous for sample in training)
        assert keys(held) == keys(plates.splits()[name][1])
        assert any(sample.anomalous for sample in held)


def test_answers_carry_localisation_and_overlap(plates: DataSet, tmp_path: Path) -> None:
    training, held = plates.splits()["fold 1"]
    options = Options(long_sides=(128,))
    found = judge.answers(plates, training, held, choose(tmp_path / "data"), tmp_path / "model", 0, options)
    assert found["labels"] == [sample.anomalous for sample in held]
    assert found["said"] == [round(score, 4) >= round(found["threshold"], 4) for score in found["scores"]]
    masked = sum(sample.anomalous for sample in held)
    assert found["localisation"]["defective"] == found["overlap"][0]["images"] == masked
    assert 0 <= found["localisation"]["aupro"] <= 1
    whole = judge.summary([found, found])
    assert whole["images"] == 2 * len(held)
    assert whole["aupro"] == pytest.approx(found["localisation"]["aupro"])
    assert whole["mean_iou"] == pytest.approx(found["overlap"][0]["mean"])


def part(scores: list[float], labels: list[bool], defective: int = 0, aupro: float | None = None) -> dict[str, Any]:
    return {
        "scores": scores,
        "labels": labels,
        "said": [score >= 0.5 for score in scores],
        "training_images": 10,
        "training_seconds": 2.0,
        "milliseconds": [3.0] * len(scores),
        "localisation": {"pixel_auroc": aupro, "aupro": aupro, "pointing_game": aupro, "defective": defective},
        "overlap": [],
    }


def test_scores_of_folds_are_pooled_and_pixel_figures_weighted() -> None:
    parts = [part([0.1, 0.9], [False, True], 3, 0.5), part([0.6, 0.4], [False, True], 1, 0.9)]
    found = judge.summary([*parts, part([0.2], [False])])
    assert found["auroc"][0] == pytest.approx(5 / 6)
    assert found["f1"][0] == pytest.approx(0.5)
    assert found["aupro"] == pytest.approx(0.6)
    assert "mean_iou" not in found


def interval(count: int) -> tuple[float, float, float]:
    labels = np.arange(count) % 2 == 0
    scores = labels + np.random.default_rng(0).normal(0, 1, count)
    middle, low, high = judge.with_interval(lambda at: judge.auroc(scores[at], labels[at]), labels)
    assert middle is not None
    assert low is not None
    assert high is not None
    return middle, low, high


def test_intervals_hold_the_figure_and_narrow_with_more_images() -> None:
    for middle, low, high in (interval(20), interval(500)):
        assert low <= middle <= high
    assert interval(500)[2] - interval(500)[1] < (interval(20)[2] - interval(20)[1]) / 2
    assert judge.with_interval(lambda at: None, np.array([True])) == [None, None, None]


def test_f1_of_nothing_found_is_nothing() -> None:
    none, all_of_them = np.zeros(3, bool), np.ones(3, bool)
    assert [judge.f1(none, none), judge.f1(all_of_them, none), judge.f1(all_of_them, all_of_them)] == [0, 0, 1]


def row(arm: str, auroc: float, weights: str = given.IMAGENET, split: str = CROSSED) -> Row:
    figures = {"auroc": [auroc, 0, 1], "f1": [0.5, 0, 1], "aupro": 0.91, "images": 9, "training_images": 4}
    return Row("cookie", weights, arm, split, figures | {"training_seconds": 1.0, "milliseconds": 2.0})


def test_targets_stand_at_our_default_and_the_best_is_named() -> None:
    rows = [row("default", 0.9), row("long side 768", 0.95), row("default", 0.87, given.OWN)]
    figures = {each.what: each for each in [*accuracy._figures(rows), *accuracy._own_against_imagenet(rows)]}
    aupro = figures["AUPRO, cookie, cross-validated, weights ImageNet"]
    assert (aupro.value, aupro.at_least) == (0.91, 0.92)
    best = figures["AUROC, cookie, cross-validated, weights ImageNet, our best (long side 768)"]
    assert best.value == 0.95
    less = figures["AUROC, cookie, cross-validated: weights as installed less ImageNet"]
    assert (less.value, less.at_least) == (-0.03, -0.01)
    table = accuracy._table(rows, CROSSED)
    assert "AUPRO" in table.columns
    assert "mean IoU" not in table.columns
    assert all(len(cells) == len(table.columns) for cells in table.rows)
    assert not accuracy._table(rows, OFFICIAL).rows


def test_larger_draws_hold_the_smaller_ones(plates: DataSet) -> None:
    few, more = (keys(fewshot.drawn(plates, Draw(count, count), seed=1)) for count in (2, 5))
    assert few < more
    assert few != keys(fewshot.drawn(plates, Draw(2, 2), seed=2))
    taken = fewshot.drawn(plates, Draw(5, 2), seed=0)
    assert [sample.anomalous for sample in taken] == [False] * 5 + [True] * 2
    assert not any(sample.mask for sample in taken)


def test_draws_keep_to_what_there_is(plates: DataSet) -> None:
    assert list(fewshot.draws(plates)) == [Draw(5, 0), Draw(8, 1), Draw(8, 5)]


@pytest.mark.shared
@pytest.mark.skipif(not sets.ALIENS.is_dir(), reason="needs ../shared")
def test_the_real_sets_are_split_as_told() -> None:
    found = {data.name: data for data in sets.every()}
    sizes = {name: [len(part) for part in (data.training, data.test, data.pool)] for name, data in found.items()}
    assert sizes["cookie"] == sizes["cookie, normals only"] == [63, 22, 63]
    assert sizes["circuit board"] == [40, 40, 40]
    assert sizes["aliens"] == [0, 0, 118]
    assert sizes["aliens, normals only"] == [40, 78, 118]
    masked = [sets.truth_of(sample, (sets.CRACKED,)) for sample in found["cookie"].pool]
    assert sum(truth is not None and truth.any() for truth in masked) == 32
    moved = fewshot.aliens()
    assert (len(moved.training), len(moved.test)) == (60, 58)
    assert not keys(list(moved.training)) & keys(list(moved.test))
    for data in found.values():
        assert len(keys(list(data.pool))) == len(data.pool)
        assert len(data.splits()) == (5 if data.test else 4)
