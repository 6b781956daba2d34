"""Copies of a picture are not judged by what was learned from one another."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from narrow_network import narrow_backbone
from rendered_parts import ignore, part, samples

from relook.vision import train as training
from relook.vision.check import check
from relook.vision.predict import Predictor
from relook.vision.problem import FOLDS, assign_folds, copies_among
from relook.vision.runtime import Precision
from relook.vision.samples import Sample, Task
from relook.vision.sifting import Sifted
from relook.vision.train import Options, train

BACKBONE = narrow_backbone()
pytestmark = pytest.mark.usefixtures("few_steps")


def saved(seed: int, quality: int) -> Sample:
    room = io.BytesIO()
    part(seed, False)[0].save(room, "JPEG", quality=quality)
    data = room.getvalue()
    return Sample(f"s3://parts/{seed}-{quality}.jpg", lambda: data, anomalous=False)


def alarms(output: Path, normals: list[Sample]) -> float:
    """The share of new normal images that a model of `normals` takes for anomalous."""
    train(
        normals, samples(900, 4, 4), task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE, output=output, seed=3,
        progress=ignore, options=Options(long_sides=(128,), scorer="peak distance"),
    )  # fmt: skip
    predictor = Predictor.load(output)
    return float(np.mean([predictor.predict(saved(seed, 90).load()).anomalous for seed in range(200, 240)]))


def test_a_threshold_does_not_fall_because_every_picture_is_there_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = [saved(seed, quality) for seed in range(12) for quality in (90, 85, 80)]
    once = alarms(tmp_path / "once", [saved(seed, 90) for seed in range(12)])
    thrice = alarms(tmp_path / "thrice", three)
    monkeypatch.setattr(training, "copies_among", lambda keys, copies, labels: np.arange(len(keys)))
    unknown = alarms(tmp_path / "unknown", three)
    assert max(once, thrice) < 0.4
    assert unknown > max(once, thrice) + 0.3


def test_copies_lie_in_one_fold_and_the_rest_as_without_them() -> None:
    anomalous = np.arange(20) >= 12
    copy_of = np.arange(20)
    copy_of[[3, 7]] = 3
    copy_of[[0, 15]] = 0  # labelled once so and once so
    for repeat in range(3):
        fold = assign_folds(anomalous, 1, repeat, copy_of)
        assert fold[3] == fold[7]
        assert fold[0] == fold[15]
        assert set(fold) == set(range(FOLDS))
        assert np.array_equal(assign_folds(anomalous, 1, repeat, np.arange(20)), assign_folds(anomalous, 1, repeat))


def test_copies_are_known_by_their_keys() -> None:
    normal = np.zeros(5, bool)
    assert copies_among(list("abcde"), [("d", "test", "b"), ("test", "f")], normal).tolist() == [0, 1, 2, 1, 4]


def test_products_that_are_all_alike_are_no_copies() -> None:
    keys, normal = [str(at) for at in range(60)], np.zeros(60, bool)
    assert copies_among(keys, [keys[:56]], normal).tolist() == list(range(60))  # five pictures would be left
    assert len(set(copies_among(keys, [keys[:55]], normal).tolist())) == 6


def test_every_label_keeps_enough_pictures_for_the_folds() -> None:
    keys, anomalous = [str(at) for at in range(24)], np.arange(24) >= 20
    found = copies_among(keys, [keys[20:22], keys[:2]], anomalous)
    assert found.tolist() == [0, 0, *range(2, 24)]  # of the four anomalies none can be spared


def test_a_planted_defect_goes_with_the_copies_of_what_it_was_planted_into() -> None:
    normals = samples(0, 12, 0)
    copies = (normals[2].key, normals[5].key)
    problem = training._problem(normals, Task.CLASSIFICATION, (), 3, Sifted(normals, (), copies=(copies,)))
    planted = np.flatnonzero(problem.anomalous)
    assert problem.planted
    assert len(planted) == 12
    assert problem.source[5] == problem.source[2] == 2
    assert (problem.source[planted] == 2).sum() == 2
    assert np.array_equal(problem.fold, problem.fold[problem.source])
    assert replace(problem).copy_of is not None
    assert len(np.unique(problem.copy_of)) == len(problem.samples) - 1


def test_test_images_have_no_part_in_what_counts_as_a_copy() -> None:
    """Neither as a link between two training images nor by how unlike one another they are."""
    training = [*(saved(seed, 90) for seed in range(12)), saved(3, 80)]
    test = [saved(seed, quality) for seed in (3, 5, 40, 41) for quality in (90, 85)]
    found = [
        check(training, others, BACKBONE, seed=0, precision=Precision.F32, progress=ignore, teaching=True).copies
        for others in ([], test)
    ]
    assert found[0] == found[1] == ((training[3].key, training[12].key),)


def test_anomalies_that_are_all_copies_of_normals_are_dealt_out_like_others() -> None:
    keys = [str(at) for at in range(24)]
    anomalous = np.arange(24) >= 20
    copy_of = copies_among(keys, [(str(at), str(20 + at)) for at in range(4)], anomalous)
    assert copy_of[20:].tolist() == [20, 21, 22, 23]
    fold = assign_folds(anomalous, 1, copy_of=copy_of)
    assert len(set(fold[20:].tolist())) == FOLDS
