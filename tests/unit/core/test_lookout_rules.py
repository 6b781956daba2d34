"""Names, dates, states, minimums, statistics and evaluation files."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_lines import CONSOLE_ANOMALY, changed

from relook.core.datasets import DatasetLimits, DatasetType, ImageStats
from relook.core.dates import iso, parse_date
from relook.core.evaluation import Detection, Evaluation, evaluation_manifest, evaluation_result, output_key
from relook.core.manifest import Label, parse_line
from relook.core.minimums import RELAXED, Census, Minimums, excesses, shortfalls
from relook.core.names import ModelName, Scope, model_arn, parse_model_arn, project_arn
from relook.core.states import (
    DATASET_COMPLETE,
    DATASET_TRANSITIONS,
    MODEL_STARTABLE,
    MODEL_STOPPABLE,
    MODEL_TRANSITIONS,
    DatasetStatus,
    ModelStatus,
    dataset_sources,
    model_sources,
)

STRICT = Minimums()
SCOPE = Scope("123456789012", "eu-west-1")
MODEL = ModelName(SCOPE, "proj_0", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-11-10T03:37:09.600", 1604979429600),
        ("2020-11-10T03:37:09", 1604979429000),
        ("2020-11-10T03:37:09.600Z", 1604979429600),
        ("2020-11-10T04:37:09.600+01:00", 1604979429600),
        ("Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)", 1661201572000),
        ("Mon Aug 22 2022 22:22:52 GMT+0130", 1661201572000),
        ("Mon Aux 22 2022 22:22:52 GMT+0130", None),
        ("Mon Feb 31 2022 22:22:52 GMT+0000", None),
        ("Mon Feb 01 2022 22:22:52 GMT+9900", None),
        ("0001-01-01T00:00:00+14:00", -62135647200000),
        ("yesterday", None),
        (1604979429, None),
    ],
)
def test_dates_of_every_tool_are_read(text: object, expected: int | None) -> None:
    assert parse_date(text) == expected


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d GMT[+-]\d{4}", fullmatch=True))
def test_no_date_crashes(text: str) -> None:
    assert parse_date(text) is None or isinstance(parse_date(text), int)


@given(st.integers(0, 4_000_000_000_000))
def test_dates_are_written_as_they_are_read(milliseconds: int) -> None:
    assert parse_date(iso(milliseconds)) == milliseconds


def test_arns() -> None:
    assert project_arn(SCOPE, "p") == "arn:aws:lookoutvision:eu-west-1:123456789012:project/p"
    assert model_arn(SCOPE, "p", 12) == "arn:aws:lookoutvision:eu-west-1:123456789012:model/p/12"
    assert parse_model_arn(str(MODEL)) == MODEL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arn:aws",
        project_arn(SCOPE, "p"),
        f"{MODEL}/2",
        str(MODEL).replace("/1", "/0"),
        str(MODEL).replace("lookoutvision", "rekognition"),
    ],
)
def test_what_is_no_model_arn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the ARN of a model"):
        parse_model_arn(text)


def test_every_status_is_in_the_tables_and_can_be_reached() -> None:
    assert set(DATASET_TRANSITIONS) == set(DatasetStatus)
    assert set(MODEL_TRANSITIONS) == set(ModelStatus)
    first = {DatasetStatus.CREATE_IN_PROGRESS, DatasetStatus.CREATE_COMPLETE}
    assert all(dataset_sources(status) for status in set(DatasetStatus) - first)
    assert all(model_sources(status) for status in set(ModelStatus) - {ModelStatus.TRAINING})


def test_what_is_allowed_is_a_legal_transition() -> None:
    assert model_sources(ModelStatus.STARTING_HOSTING) == MODEL_STARTABLE
    assert model_sources(ModelStatus.STOPPING_HOSTING) == MODEL_STOPPABLE
    assert dataset_sources(DatasetStatus.UPDATE_IN_PROGRESS) == DATASET_COMPLETE


def missing(train: Census, test: Census | None = None, *, segmentation: bool = False, least: Minimums = STRICT) -> int:
    return len(shortfalls(train, test, segmentation=segmentation, minimums=least))


def test_minimums() -> None:
    assert missing(Census(20, 10)) == 0
    assert (missing(Census(19, 10)), missing(Census(20, 9)), missing(Census(0, 0))) == (1, 1, 2)
    assert missing(Census(10, 0), Census(10, 10)) == 0
    assert (missing(Census(9, 0), Census(10, 10)), missing(Census(10, 0), Census(9, 9))) == (1, 2)
    assert missing(Census(20, 20, (("a", 20),)), segmentation=True) == 0
    assert missing(Census(20, 20, (("a", 20), ("b", 19))), segmentation=True) == 1
    assert missing(Census(20, 20, (("a", 10),)), Census(10, 10, (("a", 9),)), segmentation=True) == 1
    assert missing(Census(20, 20), Census(10, 10, (("only in test", 10),)), segmentation=True) == 1
    assert (missing(Census(4, 2), least=RELAXED), missing(Census(3, 1), least=RELAXED)) == (0, 2)
    assert (missing(Census(4, 0), least=RELAXED), missing(Census(3, 0), least=RELAXED)) == (0, 1)
    assert (missing(Census(4, 1), least=RELAXED), missing(Census(200, 0))) == (1, 2)
    text = shortfalls(Census(19, 10), None, segmentation=False, minimums=Minimums())[0]
    assert text == "The train dataset has 19 images labelled normal; training needs at least 20."


def test_segmentation_takes_fewer_images() -> None:
    train, test = Census(8000, 1), Census(800, 1)
    assert len(excesses(train, test, segmentation=True, limits=DatasetLimits())) == 2
    assert excesses(train, test, segmentation=False, limits=DatasetLimits()) == []
    assert excesses(Census(7999, 1), Census(799, 1), segmentation=True, limits=DatasetLimits()) == []
    assert (DatasetLimits().images(DatasetType.TRAIN), DatasetLimits().images(DatasetType.TEST)) == (16000, 4000)


def test_a_census_counts_classes_of_anomalies_once_per_image() -> None:
    anomaly = parse_line(json.dumps(CONSOLE_ANOMALY))
    normal = parse_line(changed("anomaly-label-metadata/class-name", "normal"))
    unlabelled = parse_line('{"source-ref": "s3://bucket/x"}')
    assert Census.of([anomaly, anomaly, normal, unlabelled]) == Census(1, 2, (("cracked", 2),))
    assert ImageStats(total=9, normal=3, anomaly=4).labeled == 7


@dataclass(frozen=True)
class Scores:
    precision: float = 0.5
    recall: float = 0.25
    f1: float = 1 / 3
    roc_auc: float | None = None
    average_precision: float | None = 0.75
    classes: tuple[()] = ()


def test_evaluation_result_keeps_its_keys_when_a_figure_is_unknown() -> None:
    evaluation = Evaluation(MODEL, 1604979429600, 3, 4)
    parsed = json.loads(evaluation_result(evaluation, Scores(), segmentation=False))
    metrics = parsed["AggregatedEvaluationResults"]["Metrics"]
    assert list(metrics) == ["ROCAUC", "AveragePrecision", "Precision", "Recall", "F1Score"]
    assert (metrics["ROCAUC"], metrics["AveragePrecision"]) == (None, 0.75)
    segmented = json.loads(evaluation_result(evaluation, Scores(), segmentation=True))
    assert segmented["AggregatedEvaluationResults"]["Metrics"]["PixelAnomalyClassMetrics"] == []


def test_evaluation_manifest_lines_can_be_fed_back() -> None:
    evaluation = Evaluation(MODEL, 1604979429600, 3, 4)
    auto = {
        "source-ref": "s3://bucket/a",
        "auto-label": 1,
        "auto-label-metadata": {
            "class-name": "Anomaly",
            "human-annotated": "yes",
            "type": "groundtruth/image-classification",
            "creation-date": "2020-11-10T03:37:09.600",
        },
    }
    truth = parse_line(json.dumps(auto))
    found = Detection(False, 0.8, "s3://bucket/mask.png", (("scratch", "#112233"),))
    text = evaluation_manifest(evaluation, [(truth, found), (truth, Detection(True, 0.9))]).decode()
    first, second = text.splitlines()
    assert (json.loads(first)["anomaly-label-detected"], json.loads(second)["anomaly-label-detected"]) == (0, 1)
    assert json.loads(first)["anomaly-label"] == 1
    assert json.loads(first)["anomaly-label-metadata"]["creation-date"] == "2020-11-10T03:37:09.600Z"
    again = parse_line(first)
    assert (again.label, again.label_date) == (Label.ANOMALY, truth.label_date)
    assert again.mask is not None
    assert again.mask.colours == (("#112233", "scratch"),)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("k_fold_", "k_fold_R-proj_0-1.json"),
        ("", "R-proj_0-1.json"),
        (None, "R-proj_0-1.json"),
        ("a/", "a/R-proj_0-1.json"),
    ],
)
def test_output_keys_are_put_together_literally(prefix: str | None, expected: str) -> None:
    assert output_key(prefix, "R", MODEL) == expected
