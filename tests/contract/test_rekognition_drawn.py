"""Whole lives of versions on drawn pictures: several labels to an image, and boxes."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boxes_told import check_answers, check_report, report_of, told_on
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage

from label_pictures import COLOURS, box_line, encoded, label_line, squares_on_grey
from relook.testing import LiveServer

PAIRS = [*itertools.combinations_with_replacement(COLOURS, 2)]


def halves(pair: Sequence[str], seed: int) -> bytes:
    """A noisy picture whose left half has one colour and whose right half has another."""
    picture = np.random.default_rng(seed).normal(0, 4, (64, 96, 3))
    for colour, side in zip(pair, (slice(0, 48), slice(48, 96)), strict=True):
        picture[:, side] += COLOURS[colour]
    return encoded(picture)


def several(versions: VersionStage, numbers: range) -> list[dict[str, Any]]:
    """Lines of halves, with a label for each colour that is there."""
    return [
        label_line(versions.put(f"halves/{'+'.join(pair)}-{number}.png", halves(pair, number)), *dict.fromkeys(pair))
        for number in numbers
        for pair in PAIRS
    ]


def life(versions: VersionStage, lines: Sequence[dict[str, Any]], testing: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """A project with a train and a test dataset, its version trained and started; the ARNs of both."""
    project = versions.project()
    for kind, given in (("TRAIN", lines), ("TEST", testing)):
        dataset = versions.create(project, versions.upload(given), kind)
        assert versions.settled(dataset)["Status"] == "CREATE_COMPLETE"
    arn = versions.create_version(project)
    versions.wait_until_trained(project)
    versions.client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    assert versions.settled_version(project)["Status"] == "RUNNING"
    return project, arn


def end(versions: VersionStage, project: str, arn: str) -> None:
    versions.client.stop_project_version(ProjectVersionArn=arn)
    assert versions.settled_version(project)["Status"] == "STOPPED"
    assert versions.client.delete_project_version(ProjectVersionArn=arn)["Status"] == "DELETING"


def test_several_labels_to_an_image(stage: Stage) -> None:
    versions = VersionStage(stage, "eu-south-2")
    project, arn = life(versions, several(versions, range(6)), several(versions, range(6, 8)))
    found = versions.describe_version(project)
    assert found["EvaluationResult"]["F1Score"] >= 0.95
    summary = versions.read(found["EvaluationResult"]["Summary"])
    assert summary["EvaluationDetails"]["Labels"] == sorted(COLOURS)
    # Of the six pairs a colour is in three.
    images = {one["Label"]: one["NumberOfTestingImages"] for one in summary["LabelEvaluationResults"]}
    assert images == dict.fromkeys(COLOURS, 2 * 3)
    for pair in PAIRS:
        told = versions.detect(arn, halves(pair, 99))
        assert {one["Name"] for one in told} == set(pair), told
        assert all(set(one) == {"Name", "Confidence"} for one in told)
        # Each label stands for itself: two of them do not share a hundred.
        assert min(one["Confidence"] for one in told) > 50
        assert {one["Name"] for one in versions.detect(arn, halves(pair, 99), MinConfidence=0)} == set(COLOURS)
    end(versions, project, arn)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[VersionStage]:
    """A server whose detectors learn for a minute or so: by steps, for what a machine does in a minute differs."""
    environment = {"RELOOK_DETECTOR_STEPS": "300", "RELOOK_DETECTOR_MINUTES": "15"}
    with LiveServer(tmp_path / "data", environment=environment) as server:
        stage = Stage(server)
        stage.s3.create_bucket(Bucket=BUCKET)
        yield VersionStage(stage, "us-east-1")
        stage.close()


def squares(number: int) -> dict[str, tuple[int, int, int, int]]:
    """Where the squares of a picture are: left, top, width, height."""
    return {
        "red": (6 + number % 5 * 7, 8 + number % 7 * 8, 24, 22),
        "blue": (72 + number % 4 * 8, 60 - number % 6 * 9, 22, 24),
    }


def boxed(versions: VersionStage, numbers: range) -> list[dict[str, Any]]:
    return [
        box_line(
            versions.put(f"squares/{number}.png", squares_on_grey(squares(number), number)),
            (128, 96),
            squares(number),
        )
        for number in numbers
    ]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed here: make torch")
@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_squares_are_found(quick: VersionStage) -> None:
    project, arn = life(quick, boxed(quick, range(30)), boxed(quick, range(30, 36)))
    described = quick.describe_version(project)
    summary = quick.read(described["EvaluationResult"]["Summary"])
    assert summary["EvaluationDetails"]["NumberOfTestingImages"] == 6
    aggregated = summary["AggregatedEvaluationResults"]
    assert min(aggregated["F1Score"], aggregated["AveragePrecision"], aggregated["AverageRecall"]) >= 0.5
    report = report_of(quick, described)
    check_report(report, {"red": 6, "blue": 6}, 6)
    tested = [(squares_on_grey(squares(number), number), [*squares(number).items()]) for number in range(30, 36)]
    check_answers(report, *told_on(quick, arn, tested, (128, 96)))
    truth = squares(40)
    found = quick.detect(arn, squares_on_grey(truth, 40), MinConfidence=0)
    for name, square in truth.items():
        surest = max((one for one in found if one["Name"] == name), key=lambda one: one["Confidence"])
        assert set(surest["Geometry"]) == {"BoundingBox"}
        assert _is_on(surest["Geometry"]["BoundingBox"], square), (surest, square)
    end(quick, project, arn)


def _is_on(box: dict[str, float], square: Sequence[int]) -> bool:
    """Whether the middle of a box, in shares of the picture, lies in a square of these pixels."""
    left, top, width, height = square
    x, y = 128 * (box["Left"] + box["Width"] / 2), 96 * (box["Top"] + box["Height"] / 2)
    return left < x < left + width and top < y < top + height
