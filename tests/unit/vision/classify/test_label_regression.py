from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from relook.vision.classify import regression

Floats = npt.NDArray[np.float64]


def clouds(seed: int, images: int, labels: int, apart: float = 1.0, width: int = 6) -> tuple[Floats, Floats]:
    """Points around a centre for each label, and their labels one-hot; the first label is three times as frequent."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, apart, (labels, width))
    share = np.ones(labels)
    share[0] = 3
    place = rng.choice(labels, images, p=share / share.sum())
    return centres[place] + rng.normal(size=(images, width)), np.eye(labels)[place]


def test_one_label_of_many_is_learned_as_scikit_learn_does() -> None:
    values, hot = clouds(0, 120, 4)
    truths = hot.astype(bool)
    ours = regression.fit(values, truths, 0.5, single=True).apply(values)
    theirs = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-8, max_iter=5000).fit(values, hot.argmax(1))
    expected = theirs.decision_function(values)
    centred = [each - each.mean(1, keepdims=True) for each in (ours, expected)]
    assert np.allclose(*centred, atol=5e-3)


def test_labels_apart_are_each_learned_as_scikit_learn_does() -> None:
    values, hot = clouds(1, 120, 3)
    truths = hot.astype(bool)
    ours = regression.fit(values, truths, 0.5, single=False).apply(values)
    for at in range(3):
        theirs = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-8, max_iter=5000).fit(values, truths[:, at])
        assert np.allclose(ours[:, at], theirs.decision_function(values), atol=5e-3)


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("width", [5, 300], ids=["more images", "more values"])
def test_the_short_way_leads_to_the_same_head(single: bool, width: int) -> None:
    values, hot = clouds(2, 60, 3, width=width)
    new, _ = clouds(3, 20, 3, width=width)
    short, long = (how(values, hot.astype(bool), 0.1, single) for how in (regression.fit_reduced, regression.fit))
    assert np.allclose(short.apply(new), long.apply(new), atol=1e-2)


@pytest.mark.parametrize("single", [True, False])
def test_a_label_without_an_image_is_never_found_and_stays_finite(single: bool) -> None:
    values, hot = clouds(4, 60, 3, apart=3)
    truths = np.concatenate([hot, np.zeros((60, 1))], axis=1).astype(bool)
    logits = regression.fit(values, truths, 10, single).apply(values)
    assert np.isfinite(logits).all()
    assert (logits[:, 3] < logits[:, :3].max(1)).all()


@pytest.mark.parametrize("single", [True, False])
def test_every_label_weighs_the_same(single: bool) -> None:
    truths = clouds(5, 300, 3)[1].astype(bool)
    weights = regression.balance(truths, single)
    of_label = (weights * truths).sum(0)
    assert np.allclose(of_label, of_label[0])
    assert weights.sum() / weights.shape[1] == pytest.approx(300)


@pytest.mark.parametrize("single", [True, False])
def test_calibration_undoes_a_wrong_scale(single: bool) -> None:
    values, hot = clouds(6, 600, 2, apart=1.5)
    truths = hot.astype(bool)
    logits = regression.fit(values, truths, 1, single).apply(values)
    told = []
    for scale in (0.05, 20.0):
        scaling = regression.calibrate(scale * logits, truths, single)
        told.append(regression.scores(scale * logits, scaling, single))
    assert np.allclose(*told, atol=0.02)
    assert np.allclose(told[0].sum(1), 1, atol=1e-6 if single else 0.2)


def test_what_was_calibrated_on_more_of_a_rare_label_tells_its_real_frequency() -> None:
    rng = np.random.default_rng(2)
    truths = np.stack([rng.random(20_000) < share for share in (0.02, 0.4)], axis=1)
    logits = 3 * truths + rng.normal(0, 1.5, truths.shape)
    part = np.sort(np.concatenate([np.flatnonzero(truths[:, 0])[:100], rng.permutation(20_000)[:400]]))
    found = regression.calibrate(logits[part], truths[part], single=False)
    told = regression.scores(logits, found, single=False).mean(0)
    assert told[0] > 3 * truths[:, 0].mean()
    right = regression.scores(logits, regression.at_frequency(found, truths[part], truths), single=False).mean(0)
    assert np.allclose(right, truths.mean(0), rtol=0.25)
    same = regression.at_frequency(found, truths[part], truths[part])
    assert np.array_equal(same.offset, found.offset)


def test_a_label_that_is_calibrated_by_all_together_stays_as_it_is() -> None:
    truths = np.zeros((100, 2), bool)
    truths[:50, 0] = truths[0, 1] = True
    scaling = regression.Scaling(np.ones(2), np.zeros(2))
    found = regression.at_frequency(scaling, truths, np.repeat(truths, [9] * 50 + [1] * 50, axis=0))
    assert found.offset[0] > 2
    assert found.offset[1] == 0


@pytest.mark.parametrize("single", [True, False])
def test_nothing_is_certain_of_a_few_images(single: bool) -> None:
    truths = np.repeat(np.eye(2, dtype=bool), 3, axis=0)
    logits = np.where(truths, 50.0, -50.0)
    told = regression.scores(logits, regression.calibrate(logits, truths, single), single)
    assert (told[truths] > 0.6).all()
    assert (told[truths] < 0.99).all()


@pytest.mark.parametrize("single", [True, False])
def test_information_is_all_or_nothing(single: bool) -> None:
    hot = clouds(8, 200, 3)[1]
    truths = hot.astype(bool)
    sure = np.where(truths, 9.0, -9.0)
    noise = np.random.default_rng(0).normal(size=truths.shape)
    for logits, expected in ((sure, 1.0), (noise, 0.0)):
        scaling = regression.calibrate(logits, truths, single)
        assert regression.information(logits, truths, scaling, single) == pytest.approx(expected, abs=0.06)


def test_labels_that_all_images_have_tell_nothing() -> None:
    truths = np.ones((10, 2), bool)
    scaling = regression.Scaling(np.ones(2), np.zeros(2))
    assert regression.information(np.zeros((10, 2)), truths, scaling, single=False) == 0.0


def test_a_label_that_no_judged_image_has_costs_no_information() -> None:
    truths = np.eye(3, dtype=bool)[[0, 1] * 20]
    logits = np.where(truths, 4.0, -4.0)
    scaling = regression.calibrate(logits, truths, single=True)
    assert regression.information(logits, truths, scaling, single=True) > 0.9
