"""The check on the real sets of ../shared, where a person has looked at what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rendered_parts import ignore

from relook.vision.backbones import Backbone
from relook.vision.check import Kind, Report, check
from relook.vision.runtime import Precision
from relook.vision.samples import Sample
from relook.vision.weights import choose, import_weights

SHARED = Path(__file__).resolve().parents[4] / "shared"
COOKIE = SHARED / "data" / "lookout_cookie"
BOARD = SHARED / "data" / "lookout_circuitboard_1000px"
ALIENS = SHARED / "data" / "lookout_aliens"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not COOKIE.exists(), reason="needs ../shared")]


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    data = tmp_path_factory.mktemp("data")
    import_weights(SHARED / "weights" / "resnet18_imagenet_layer1-3.onnx", data)
    return choose(data)


def samples(folder: Path, pattern: str, anomalous: bool) -> list[Sample]:
    files = sorted(folder.glob(pattern))
    assert files
    return [Sample(file.name, file.read_bytes, anomalous) for file in files]


def report_on(training: Sequence[Sample], test: Sequence[Sample], backbone: Backbone) -> Report:
    return check(training, test, backbone, seed=1, precision=Precision.F32, progress=ignore)


def test_the_cookies_tray_is_found_to_tell_the_label(imagenet: Backbone) -> None:
    images = COOKIE / "training-images"
    training = [*samples(images, "normal-*", False), *samples(images, "anomaly-*", True)]
    report = report_on(training, [], imagenet)
    [border] = [each for each in report.findings if "border of the pictures" in each.sentence]
    assert border.figures["auroc"] > 0.97
    [copies] = [each for each in report.findings if each.kind is Kind.DUPLICATE]
    assert copies.groups == (("normal-1.jpg", "normal-2.jpg"),)  # taken two seconds apart, nothing moved
    assert set(report.suspects) <= {"normal-31.jpg"}  # the only one that shows the tray's edge


def test_boards_and_aliens_in_training_are_none_of_those_in_test(imagenet: Backbone) -> None:
    boards = [*samples(BOARD / "train/good", "*.jpg", False), *samples(BOARD / "train/anomaly", "*.jpg", True)]
    held = [*samples(BOARD / "test/good", "*.jpg", False), *samples(BOARD / "test/anomaly", "*.jpg", True)]
    report = report_on(boards, held, imagenet)
    assert not {each.kind for each in report.findings} & {Kind.LEAKAGE, Kind.CONTRADICTION, Kind.DUPLICATE}
    report = report_on([*boards, *held[:3]], held, imagenet)
    [leak] = [each for each in report.findings if each.kind is Kind.LEAKAGE]
    assert leak.figures["groups"] == 3


@pytest.mark.parametrize("labelled", [0, 20])
def test_anomalies_planted_among_the_aliens_are_suspects(imagenet: Backbone, labelled: int) -> None:
    good, bad = samples(ALIENS / "train/good", "*.png", False)[:30], samples(ALIENS / "test/anomaly", "*.png", True)
    planted = [replace(sample, key=f"planted-{sample.key}", anomalous=False) for sample in bad[:3]]
    report = report_on([*good, *planted, *bad[3 : 3 + labelled]], [], imagenet)
    found = {key for key in report.suspects if key.startswith("planted")}
    assert len(found) >= 2
    assert len(report.suspects) - len(found) <= 3
