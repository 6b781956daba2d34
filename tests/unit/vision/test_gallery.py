"""Test images for people: which are kept, on what scale they are coloured, and where a model is hottest."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from relook.vision import gallery, samples
from relook.vision.gallery import Gallery, hottest, small
from relook.vision.samples import Prediction, Shown

GREY = np.full((400, 800, 3), 128, np.uint8)
SMALL = small(GREY)


def result(name: str, score: float, anomalous: bool = False) -> samples.TestResult:
    said = score >= 0.5
    return samples.TestResult(
        name, anomalous, Prediction(score, 0.5, said, max(score, 1 - score), 800, 400), (0.5, 0.5)
    )


def flat(height: float) -> npt.NDArray[np.float32]:
    return np.full((5, 10), height, np.float32)


def pixels(jpeg: bytes) -> npt.NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(np.int16)


def redness(shown: Shown) -> npt.NDArray[np.int16]:
    over = pixels(shown.heat)
    return over[..., 0] - over[..., 2]


def test_mistakes_come_first_the_surest_leading_then_what_is_near_the_threshold() -> None:
    room = Gallery()
    for name, score, anomalous in [
        ("clear", 0.01, False),
        ("slip", 0.6, False),
        ("near", 0.52, True),
        ("blunder", 0.99, False),
        ("missed", 0.2, True),
    ]:
        room.add(result(name, score, anomalous), SMALL, flat(0))
    assert [each.result.key for each in room.shown()] == ["blunder", "missed", "slip", "near", "clear"]


def test_only_so_many_are_kept_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "MOST_SHOWN", 3)
    scores = [0.1, 0.4, 0.9, 0.2, 0.3]
    for order in (scores, scores[::-1]):
        room = Gallery()
        for score in order:
            room.add(result(str(score), score), SMALL, flat(0))
        assert [each.result.key for each in room.shown()] == ["0.9", "0.4", "0.3"]


def test_pictures_are_small_and_one_is_the_image_as_it_is() -> None:
    room = Gallery()
    room.add(result("one", 0.1), SMALL, flat(0))
    shown = room.shown()[0]
    assert pixels(shown.picture).shape == pixels(shown.heat).shape == (180, 360, 3)
    assert np.abs(pixels(shown.picture) - 128).max() <= 1


def test_colour_is_where_the_heat_is_and_on_one_scale_for_all() -> None:
    room = Gallery()
    hot = flat(1.0)
    hot[1, 8] = 21.0
    faint = flat(1.0)
    faint[1, 8] = 11.0
    room.add(result("anomaly", 0.9, True), SMALL, hot)
    room.add(result("half", 0.8, False), SMALL, faint)
    room.add(result("normal", 0.1, False), SMALL, flat(1.0))
    found = {each.result.key: redness(each) for each in room.shown()}
    row, column = 54, 306  # the middle of that cell
    assert found["anomaly"][row, column] > 100
    assert 10 < found["half"][row, column] < found["anomaly"][row, column] - 20
    for name in found:
        assert np.abs(found[name][150, 50]) <= 3, name


def test_noise_of_a_model_that_finds_nothing_stays_pale() -> None:
    room = Gallery()
    for at in range(4):
        noise = np.random.default_rng(at).normal(6, 0.3, (5, 10)).astype(np.float32)
        room.add(result(str(at), 0.4, bool(at % 2)), SMALL, noise)
    assert max(int(redness(each).max()) for each in room.shown()) < 25


@pytest.mark.parametrize(("usual", "peak"), [(-8.0, -4.5), (-6.0, -5.0), (-7.0, -3.5), (-9.0, 4.0)])
def test_heat_below_zero_has_the_same_colours(usual: float, peak: float) -> None:
    """Heads think little of normal places, so with one view all heat may be negative."""
    room = Gallery()
    hot = flat(usual)
    hot[1, 8] = peak
    room.add(result("missed", 0.2, True), SMALL, hot)
    room.add(result("normal", 0.1, False), SMALL, flat(usual))
    found = {each.result.key: redness(each) for each in room.shown()}
    assert found["missed"][54, 306] > 25
    assert np.abs(found["missed"][150, 50]) <= 3
    assert np.abs(found["normal"]).max() <= 3


@pytest.mark.parametrize("anomalous", [False, True])
def test_images_of_one_label_are_shown_too(anomalous: bool) -> None:
    room = Gallery()
    for at in range(3):
        heat = flat(2.0)
        heat[1, 8] = 4.0 + at
        room.add(result(str(at), 0.4, anomalous), SMALL, heat)
    most = max(int(redness(each).max()) for each in room.shown())
    assert most > 100 if anomalous else most < 60


def test_a_gallery_without_images_is_empty() -> None:
    assert Gallery().shown() == ()


def test_the_hottest_place_is_told_as_fractions() -> None:
    heat = flat(0.0)
    heat[4, 0] = 1.0
    assert hottest(heat) == pytest.approx((0.05, 0.9))
