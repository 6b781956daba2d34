"""Models that earlier code has written answer as they did then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rendered_parts import SCRATCH, sample

from relook.vision import artifact, label_artifact, serving
from relook.vision.engine import Device
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.predict import Predictor
from tiny_models import LABELS, SURE, THRESHOLDS, picture, plain

STORED = Path(__file__).parent / "stored_models"
ANOMALIES, BOXES, WHOLE = "anomalies-format-", "boxes-format-", "labels-format-"


def load(name: str) -> serving.Servable:
    return serving.load(STORED / name, 1, Device.CPU)


def test_every_format_that_is_read_or_written_has_a_stored_model() -> None:
    there = {path.name for path in STORED.iterdir() if path.is_dir()}
    assert {f"{ANOMALIES}{version}" for version in artifact.FORMATS} <= there
    assert {f"{kind}{label_artifact.FORMAT}" for kind in (BOXES, WHOLE)} <= there
    for name in there:
        assert artifact.read_json(STORED / name)["format"] == int(name.rpartition("-")[2])


@pytest.mark.parametrize("version", artifact.FORMATS)
def test_an_anomaly_model_scores_and_draws_as_when_it_was_made(version: int) -> None:
    served = load(f"{ANOMALIES}{version}")
    assert isinstance(served, Predictor)
    before = json.loads((STORED / f"{ANOMALIES}{version}" / "answers.json").read_bytes())
    assert {told["scratched"] for told in before["pictures"]} == {False, True}
    for told in before["pictures"]:
        found = served.predict(sample(told["seed"], told["scratched"]).load())
        assert found.score == pytest.approx(told["score"], abs=1e-4)
        assert found.threshold == before["threshold"]
        assert found.anomalous is told["scratched"]
        areas = {region.name: region.area for region in found.regions}
        assert areas == pytest.approx(told["areas"], abs=5e-4)
        assert all(region.colour == SCRATCH.colour for region in found.regions[1:])


def test_a_model_of_boxes_finds_what_it_found() -> None:
    found = load(f"{BOXES}1").predict(picture(red=(1, 2)))
    score = pytest.approx(SURE, abs=1e-5)
    box = Rectangle(32, 64, 32, 32)
    assert found == LabelPrediction(160, 128, (FoundLabel(LABELS[0], score, THRESHOLDS[0], box),))


def test_a_model_of_labels_tells_what_it_told() -> None:
    found = load(f"{WHOLE}1").predict(plain(0, 0, 255))
    assert isinstance(found, LabelPrediction)
    assert [one.name for one in found.found] == list(reversed(LABELS))
    assert found.found[0].score == pytest.approx(0.999665, abs=1e-5)
