"""CreateProjectVersion, DescribeProjectVersions, DeleteProjectVersion and the waiter by boto3."""

from __future__ import annotations

import datetime
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from label_stage import code
from label_versions import SOON, VersionStage
from lookout_stage import ACCOUNT, BUCKET, Stage, refused
from sqlalchemy import update

from relook.core.custom_labels.names import parse_dataset
from relook.datafolder import DataFolder
from relook.store import rekognition_datasets as datasets
from relook.store.engine import Store
from relook.store.tables.rekognition import datasets as dataset_table
from relook.testing import LiveServer

REGION = "ap-northeast-1"
OUTPUT = {"S3Bucket": BUCKET, "S3KeyPrefix": ""}


@pytest.fixture(scope="module")
def versions(stage: Stage) -> VersionStage:
    return VersionStage(stage, REGION)


def test_a_life(versions: VersionStage) -> None:
    """As a script of the original: datasets, a version, the waiter, the results, the end."""
    project = versions.project("life")
    versions.dataset(versions.labelled(10, "red", "green"), project)
    before = datetime.datetime.now(datetime.UTC)
    arn = versions.create_version(project, "v.1", VersionDescription="first try", Tags={"line": "3"})
    assert arn.startswith(f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/life/version/v.1/")
    found = versions.describe_version(project, "v.1")
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_IN_PROGRESS", "The model is being trained.")
    assert found["TestingDataResult"] == {"Input": {"AutoCreate": True}}
    assert not {"EvaluationResult", "ManifestSummary", "BillableTrainingTimeInSeconds"} & set(found)
    busy = refused(versions.client.delete_project_version, ProjectVersionArn=arn)
    assert code(busy) == ("ResourceInUseException", 400)

    versions.wait_until_trained(project, "v.1")
    found = versions.describe_version(project, "v.1")
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_COMPLETED", "The model is ready to run.")
    assert round(found["CreationTimestamp"].timestamp() * 1000) == int(arn.rsplit("/", 1)[1])
    assert before - datetime.timedelta(minutes=1) < found["CreationTimestamp"] < found["TrainingEndTimestamp"]
    assert found["BillableTrainingTimeInSeconds"] >= 1
    assert found["EvaluationResult"]["F1Score"] == 1.0
    summary = versions.read(found["EvaluationResult"]["Summary"])
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == arn
    assert summary["EvaluationDetails"]["Labels"] == ["green", "red"]
    assert summary["AggregatedEvaluationResults"]["F1Score"] == 1.0
    statistics = versions.read(found["ManifestSummary"])["statistics"]
    assert (statistics["training"]["valid_json_lines"], statistics["testing"]["valid_json_lines"]) == (16, 4)
    for result, images in (("TrainingDataResult", 16), ("TestingDataResult", 4)):
        for name in ("Output", "Validation"):
            [asset] = found[result][name]["Assets"]
            assert len(versions.text(asset["GroundTruthManifest"]).splitlines()) == images
    assert versions.client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "3"}
    _check_report(versions.read(_beside(found["EvaluationResult"]["Summary"], "TrainingReport")), arn)

    assert versions.client.delete_project_version(ProjectVersionArn=arn)["Status"] == "DELETING"
    answer = versions.client.describe_project_versions(ProjectArn=project, VersionNames=["v.1"])
    assert answer["ProjectVersionDescriptions"] == []
    assert "NextToken" not in answer


def _beside(summary: dict[str, Any], file: str) -> dict[str, Any]:
    """The S3 object of another result file."""
    where = summary["S3Object"]
    return {"S3Object": where | {"Name": where["Name"].replace("EvaluationResultSummary", file)}}


def _check_report(report: dict[str, Any], arn: str) -> None:
    """Four test images of two labels, all told right."""
    assert (report["ProjectVersionArn"], report["Task"], report["Labels"]) == (arn, "single-label", ["green", "red"])
    assert (report["NumberOfTrainingImages"], report["NumberOfTestingImages"]) == (16, 4)
    details = report["Details"]
    assert (details["images"], details["interval_level"], details["confusion"]) == (4, 0.95, [[2, 0], [0, 2]])
    assert details["confusion_labels"] == ["green", "red"]
    assert [(one["label"], one["truths"]) for one in details["labels"]] == [("green", 2), ("red", 2)]
    for figures in (details, *details["labels"]):
        for name in ("average_precision", "f1"):
            low, high = figures[name]["interval"]
            assert 0 <= low <= figures[name]["value"] == 1.0 == high
    for label in details["labels"]:
        scores = [point["score"] for point in label["curve"]]
        assert scores
        assert scores == sorted(scores, reverse=True)
        recalls = [point["recall"] for point in label["curve"]]
        assert recalls == sorted(recalls)
        assert recalls[-1] == 1.0
        assert all(0 <= point["precision"] <= 1 for point in label["curve"])
        assert any(point["score"] >= label["threshold"] for point in label["curve"])


def test_a_failed_training(versions: VersionStage) -> None:
    project = versions.project("failing")
    arn = versions.create_version(project, **versions.legacy(versions.labelled(1, "red", "green")))
    waiter = versions.client.get_waiter("project_version_training_completed")
    with pytest.raises(WaiterError) as caught:
        waiter.wait(ProjectArn=project, VersionNames=["v1"], WaiterConfig=SOON)
    assert "TRAINING_FAILED" in str(caught.value)
    found = versions.describe_version(project)
    message = "The manifest file contains insufficient labeled images per label to perform auto-split."
    assert (found["Status"], found["StatusMessage"]) == ("TRAINING_FAILED", message)
    [error] = versions.read(found["ManifestSummary"])["statistics"]["training"]["errors"]
    assert error["code"] == "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"
    start = versions.client.start_project_version
    started = refused(start, ProjectVersionArn=arn, MinInferenceUnits=1)
    assert code(started) == ("InvalidParameterException", 400)
    copied = refused(
        versions.client.copy_project_version,
        SourceProjectArn=project,
        SourceProjectVersionArn=arn,
        DestinationProjectArn=project,
        VersionName="copy",
        OutputConfig=OUTPUT,
    )
    assert code(copied) == ("InvalidParameterException", 400)
    image = {"Bytes": b"x"}
    asked = refused(versions.client.detect_custom_labels, ProjectVersionArn=arn, Image=image)
    assert code(asked) == ("ResourceNotReadyException", 400)
    assert versions.client.delete_project_version(ProjectVersionArn=arn)["Status"] == "DELETING"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"VersionName": "a b"}, "ValidationException"),
        ({"VersionName": "n" * 256}, "ValidationException"),
        ({"ProjectArn": "arn:aws:rekognition:us-east-1:1:project/x"}, "ValidationException"),
        ({"VersionDescription": "a\nb"}, "ValidationException"),
        ({"KmsKeyId": "alias/key"}, "InvalidParameterException"),
        ({"FeatureConfig": {"ContentModeration": {}}}, "InvalidParameterException"),
        ({"OutputConfig": {"S3KeyPrefix": "x"}}, "InvalidParameterException"),
        ({"TestingData": {"AutoCreate": True}}, "InvalidParameterException"),
        ({}, "InvalidParameterException"),
    ],
    ids=["name", "long name", "arn", "description", "key", "moderation", "no bucket", "testing alone", "no data"],
)
def test_what_is_refused(versions: VersionStage, more: dict[str, Any], error: str) -> None:
    project = versions.project()
    members = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": OUTPUT} | more
    found = refused(versions.unchecked.create_project_version, **members)
    assert code(found) == (error, 400)
    assert found["Error"]["Message"]
    assert versions.client.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"] == []


def test_names_and_pages(stage: Stage) -> None:
    versions = VersionStage(stage, "ap-northeast-2")
    project = versions.project()
    data = versions.legacy(versions.labelled(1, "red"))
    for number in range(3):
        versions.create_version(project, f"v{number}", **data)
        if number:
            versions.settled_version(project, f"v{number - 1}")
    twice = refused(versions.create_version, project=project, name="v0", **data)
    assert code(twice) == ("ResourceInUseException", 400)
    paginator = versions.client.get_paginator("describe_project_versions")
    pages = [*paginator.paginate(ProjectArn=project, PaginationConfig={"PageSize": 2})]
    found = [one["ProjectVersionArn"].split("/")[3] for page in pages for one in page["ProjectVersionDescriptions"]]
    assert found == ["v2", "v1", "v0"]
    assert ["NextToken" in page for page in pages] == [True, False]
    describe, token = versions.client.describe_project_versions, pages[0]["NextToken"]
    [oldest] = describe(ProjectArn=project, NextToken=token)["ProjectVersionDescriptions"]
    assert oldest == pages[1]["ProjectVersionDescriptions"][0]
    for members in (
        {"ProjectArn": project, "NextToken": "no token"},
        {"ProjectArn": versions.project(), "NextToken": token},
        {"ProjectArn": project, "NextToken": token, "VersionNames": ["v0"]},
    ):
        assert code(refused(describe, **members)) == ("InvalidPaginationTokenException", 400)


def test_two_trainings_at_once(stage: Stage) -> None:
    versions = VersionStage(stage, "ap-northeast-3")
    project = versions.project()
    data = versions.legacy(versions.labelled(1, "red", "green"))
    for name in ("one", "two"):
        versions.create_version(project, name, **data)
    third = refused(versions.create_version, project=project, name="three", **data)
    assert code(third) == ("LimitExceededException", 400)
    for name in ("one", "two"):
        assert versions.settled_version(project, name)["Status"] == "TRAINING_FAILED"
    assert versions.create_version(project, "three", **data)


def test_a_project_has_room_for_so_many_versions(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", environment={"RELOOK_LABEL_VERSIONS": "1"}) as server:
        stage = Stage(server)
        stage.s3.create_bucket(Bucket=BUCKET)
        versions = VersionStage(stage, REGION)
        project, data = versions.project(), versions.legacy(versions.labelled(1, "red", "green"))
        arn = versions.create_version(project, "one", **data)
        assert versions.settled_version(project, "one")["Status"] == "TRAINING_FAILED"
        full = refused(versions.create_version, project=project, name="two", **data)
        assert code(full) == ("ServiceQuotaExceededException", 400)
        assert "the setting label_versions" in full["Error"]["Message"]
        versions.client.delete_project_version(ProjectVersionArn=arn)
        assert versions.create_version(project, "two", **data)


def test_a_project_that_is_not_there(versions: VersionStage) -> None:
    head, _, number = versions.project().rpartition("/")
    data = versions.legacy(versions.labelled(1, "red", "green"))
    absent = refused(versions.create_version, project=f"{head}/{int(number) + 1}", **data)
    assert code(absent) == ("ResourceNotFoundException", 400)


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"])
def test_a_dataset_that_is_busy(versions: VersionStage, status: str) -> None:
    """So it is for a moment only: the moment is written into the server's folder."""
    project = versions.project()
    arn = versions.dataset(versions.labelled(1, "red", "green"), project)
    put_dataset_into(status, versions, arn)
    try:
        busy = refused(versions.create_version, project=project)
        made = versions.client.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    finally:
        put_dataset_into("CREATE_COMPLETE", versions, arn)
    assert code(busy) == ("ResourceInUseException", 400)
    assert f"Dataset {arn} is {status}" in busy["Error"]["Message"]
    assert made == []
    assert versions.create_version(project)
    assert versions.settled_version(project)["Status"] == "TRAINING_FAILED"


def put_dataset_into(status: str, versions: VersionStage, arn: str) -> None:
    with closing(Store.open(DataFolder(versions.stage.server.data).database)) as store, store.write() as connection:
        dataset = datasets.find(connection, parse_dataset(arn))
        assert dataset is not None
        connection.execute(update(dataset_table).where(dataset_table.c.id == dataset.id).values(status=status))


def test_a_project_with_a_version_stays(versions: VersionStage) -> None:
    project = versions.project()
    arn = versions.create_version(project, **versions.legacy(versions.labelled(1, "red", "green")))
    for _ in ("in training", "failed"):
        assert code(refused(versions.client.delete_project, ProjectArn=project)) == ("ResourceInUseException", 400)
        assert versions.settled_version(project)["Status"] == "TRAINING_FAILED"
    versions.client.delete_project_version(ProjectVersionArn=arn)
    assert versions.client.delete_project(ProjectArn=project)["Status"] == "DELETING"


def test_versions_that_are_not_there(versions: VersionStage) -> None:
    project = versions.project()
    head, number = project.rsplit("/", 1)
    absent = refused(versions.client.describe_project_versions, ProjectArn=f"{head}/{int(number) + 1}")
    assert code(absent) == ("ResourceNotFoundException", 400)
    gone = refused(versions.client.delete_project_version, ProjectVersionArn=f"{head}/version/v1/{number}")
    assert code(gone) == ("ResourceNotFoundException", 400)
