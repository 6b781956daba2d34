from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from relook.core.custom_labels.results import (
    FILES,
    LabelScores,
    Summary,
    output_key,
    report_file,
    summary_file,
)
from relook.core.custom_labels.snapshots import UsedImage, Verdict, snapshot

ARN = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1690556751958"
ENDED = 1_574_321_423_910
DATE = "2019-11-21T07:30:23.910000"


@dataclass(frozen=True)
class Area:
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Boxed:
    label: str
    box: Area


def lines(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.decode().splitlines()]


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("out", "out/ManifestSummary-p-v.1.json"),
        ("out/", "out/ManifestSummary-p-v.1.json"),
        ("a/b//", "a/b/ManifestSummary-p-v.1.json"),
        ("", "ManifestSummary-p-v.1.json"),
        (None, "ManifestSummary-p-v.1.json"),
        ("/", "ManifestSummary-p-v.1.json"),
    ],
)
def test_one_slash_comes_after_the_prefix(prefix: str | None, key: str) -> None:
    assert output_key(prefix, "ManifestSummary", "p", "v.1") == key


def test_there_are_six_files() -> None:
    assert sorted(FILES) == [
        "EvaluationResultSummary",
        "ManifestSummary",
        "TestingGroundTruth",
        "TestingManifestWithValidation",
        "TrainingGroundTruth",
        "TrainingManifestWithValidation",
    ]


def scores() -> list[LabelScores]:
    return [
        LabelScores("Lakes", 4, 0.5, 0.25, 0.375, 0.9),
        LabelScores("Ríos", 5, 1.0, 0.75, 0.875, 0.0145),
        LabelScores("Unseen", 0, 0.0, 0.0, 0.0, 0.5),
    ]


def test_the_summary_of_a_classifier() -> None:
    rows = [[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    summary = Summary(ARN, ENDED, 20, 9, scores(), rows)
    found = json.loads(summary_file(summary))
    assert list(found) == ["Version", "AggregatedEvaluationResults", "EvaluationDetails", "LabelEvaluationResults"]
    assert found["EvaluationDetails"] == {
        "EvaluationEndTimestamp": DATE,
        "Labels": ["Lakes", "Ríos", "Unseen"],
        "NumberOfTestingImages": 9,
        "NumberOfTrainingImages": 20,
        "ProjectVersionArn": ARN,
    }
    aggregated = found["AggregatedEvaluationResults"]
    # Means over the labels that were tested; the one that was not says nothing.
    assert {key: aggregated[key] for key in ("Precision", "Recall", "F1Score")} == {
        "Precision": 0.75,
        "Recall": 0.5,
        "F1Score": 0.625,
    }
    assert summary.f1 == 0.625
    assert set(aggregated) == {"Precision", "Recall", "F1Score", "ConfusionMatrix"}
    assert len(aggregated["ConfusionMatrix"]) == 9
    assert aggregated["ConfusionMatrix"][1] == {"GroundTruthLabel": "Lakes", "PredictedLabel": "Ríos", "Value": 0.25}
    assert [one["Label"] for one in found["LabelEvaluationResults"]] == ["Ríos", "Lakes", "Unseen"]
    assert found["LabelEvaluationResults"][0] == {
        "Label": "Ríos",
        "NumberOfTestingImages": 5,
        "Metrics": {"Precision": 1.0, "Recall": 0.75, "F1Score": 0.875, "Threshold": 0.0145},
    }


def test_the_summary_of_a_detector() -> None:
    summary = Summary(ARN, ENDED, 20, 9, scores(), average_precision=0.83, average_recall=0.9)
    aggregated = json.loads(summary_file(summary))["AggregatedEvaluationResults"]
    assert set(aggregated) == {"Precision", "Recall", "F1Score", "AveragePrecision", "AverageRecall"}
    assert (aggregated["AveragePrecision"], aggregated["AverageRecall"]) == (0.83, 0.9)


def test_nothing_tested_gives_no_division() -> None:
    summary = Summary(ARN, ENDED, 1, 0, [LabelScores("a", 0, 0.0, 0.0, 0.0, 0.5)])
    assert summary.f1 == summary.precision == summary.recall == 0.0


def test_the_report() -> None:
    summary = Summary(ARN, ENDED, 20, 9, scores())
    found = json.loads(
        report_file(summary, task="multi-label", warnings=["few"], notes=["why"], details={"curve": [1]})
    )
    assert found["Task"] == "multi-label"
    assert (found["Warnings"], found["Notes"], found["Details"]) == (["few"], ["why"], {"curve": [1]})
    assert found["ProjectVersionArn"] == ARN


def test_a_training_snapshot_of_labels() -> None:
    image = UsedImage("s3://b/ü.jpg", 7, 640, 480, ("Ríos", "Lakes"))
    [line] = lines(snapshot([image], ["Lakes", "Ríos"], ENDED))
    assert list(line)[:3] == ["source-ref", "rekognition-custom-labels-object-id", "line-idx"]
    assert (line["source-ref"], line["rekognition-custom-labels-object-id"], line["line-idx"]) == ("s3://b/ü.jpg", 1, 7)
    assert line["rekognition-custom-labels-training-1"] == 1
    assert line["rekognition-custom-labels-training-0-metadata"] == {
        "confidence": 1.0,
        "job-name": "rekognition-custom-labels-training-job",
        "class-name": "Ríos",
        "human-annotated": "yes",
        "creation-date": DATE,
        "type": "groundtruth/image-classification",
    }
    assert not any("evaluation" in key for key in line)


def test_a_testing_snapshot_of_labels() -> None:
    image = UsedImage("s3://b/1.jpg", 0, 640, 480, ("c",))
    verdicts = [
        Verdict("b", 0.9512345, predicted=True, present=False),
        Verdict("c", 0.04, predicted=False, present=True),
        Verdict("a", 0.001, predicted=False, present=False),
    ]
    [line] = lines(snapshot([image], ["a", "b", "c"], ENDED, [verdicts]))
    evaluated = {key for key in line if key.startswith("rekognition-custom-labels-evaluation")}
    # The number is the label's place; the label that is rightly not there is not told.
    names = ("rekognition-custom-labels-evaluation-1", "rekognition-custom-labels-evaluation-2")
    assert evaluated == {*names, *(f"{name}-metadata" for name in names)}
    assert line["rekognition-custom-labels-evaluation-1-metadata"] == {
        "confidence": 0.95123,
        "job-name": "rekognition-custom-labels-evaluation-job",
        "class-name": "b",
        "human-annotated": "no",
        "creation-date": DATE,
        "type": "groundtruth/image-classification",
        "rekognition-custom-labels-evaluation-details": details(positive=True, present=False),
    }
    missed = line["rekognition-custom-labels-evaluation-2-metadata"]
    assert missed["rekognition-custom-labels-evaluation-details"] == details(positive=False, present=True)


def details(*, positive: bool, present: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "ground-truth-labelling-jobs": ["rekognition-custom-labels-training-job"],
        "is-true-positive": positive and present,
        "is-true-negative": not positive and not present,
        "is-false-positive": positive and not present,
        "is-false-negative": not positive and present,
        "is-present-in-ground-truth": present,
    }


def test_the_surest_label_is_told_in_any_case() -> None:
    image = UsedImage("s3://b/1.jpg", 0, 64, 64, ())
    verdicts = [Verdict("a", 0.2, predicted=False, present=False), Verdict("b", 0.1, predicted=False, present=False)]
    [line] = lines(snapshot([image], ["a", "b"], ENDED, [verdicts]))
    told = line["rekognition-custom-labels-evaluation-0-metadata"]["rekognition-custom-labels-evaluation-details"]
    assert told == details(positive=False, present=False)
    assert "rekognition-custom-labels-evaluation-1" not in line


def test_a_testing_snapshot_of_boxes() -> None:
    truth = [Boxed("Echo Dot", Area(10, 20, 30, 40)), Boxed("Echo", Area(1, 2, 3, 4))]
    image = UsedImage("s3://b/1.jpg", 3, 640, 480, boxes=truth)
    verdicts = [
        Verdict("Echo Dot", 0.876543, True, True, Area(10.25, 20.333, 30, 40)),
        Verdict("Echo", 0.00914, False, True, Area(1, 2, 3, 5)),
    ]
    [line] = lines(snapshot([image], ["Other", "Echo", "Echo Dot"], ENDED, [verdicts]))
    size = [{"width": 640, "height": 480, "depth": 3}]
    assert line["rekognition-custom-labels-training-0"] == {
        "annotations": [
            {"class_id": 2, "left": 10, "top": 20, "width": 30, "height": 40},
            {"class_id": 1, "left": 1, "top": 2, "width": 3, "height": 4},
        ],
        "image_size": size,
    }
    assert line["rekognition-custom-labels-training-0-metadata"]["class-map"] == {"1": "Echo", "2": "Echo Dot"}
    assert line["rekognition-custom-labels-training-0-metadata"]["objects"] == [{"confidence": 1.0}] * 2
    assert line["rekognition-custom-labels-evaluation"] == {
        "annotations": [
            {"class_id": 2, "left": 10.25, "top": 20.33, "width": 30, "height": 40},
            {"class_id": 1, "left": 1, "top": 2, "width": 3, "height": 5},
        ],
        "image_size": size,
    }
    about = line["rekognition-custom-labels-evaluation-metadata"]
    assert (about["type"], about["human-annotated"]) == ("groundtruth/object-detection", "no")
    assert [one["confidence"] for one in about["objects"]] == [0.87654, 0.00914]
    told = [one["rekognition-custom-labels-evaluation-details"] for one in about["objects"]]
    assert told == [details(positive=True, present=True), details(positive=False, present=True)]


def test_an_image_without_boxes_keeps_its_attributes() -> None:
    image = UsedImage("s3://b/1.jpg", 3, 640, 480, boxes=[])
    [line] = lines(snapshot([image], ["Echo"], ENDED, [[]]))
    assert line["rekognition-custom-labels-training-0"]["annotations"] == []
    assert line["rekognition-custom-labels-evaluation-metadata"]["objects"] == []
