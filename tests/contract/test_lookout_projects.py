"""CreateProject, DescribeProject, ListProjects, DeleteProject by boto3."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError
from lookout_stage import Stage, outcome, pages, project_arn, refused

TOKEN = "9d1a70a8-5a4f-4c2f-a1d8-7f4c6f8b8d11"


def test_create_and_describe(stage: Stage) -> None:
    before = datetime.datetime.now(datetime.UTC)
    answer = stage.vision.create_project(ProjectName="Plates-2_a")
    made = answer["ProjectMetadata"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert set(made) == {"ProjectArn", "ProjectName", "CreationTimestamp"}
    assert (made["ProjectName"], made["ProjectArn"]) == ("Plates-2_a", project_arn("Plates-2_a"))
    assert abs(made["CreationTimestamp"] - before) < datetime.timedelta(minutes=1)
    described = stage.vision.describe_project(ProjectName="Plates-2_a")["ProjectDescription"]
    assert described == made | {"Datasets": []}


def test_a_name_of_255_characters(stage: Stage) -> None:
    name = "n" * 255
    stage.project(name)
    assert stage.vision.delete_project(ProjectName=name)["ProjectArn"] == project_arn(name)


def test_the_same_name_again_is_a_conflict(stage: Stage) -> None:
    stage.project("twice")
    found = refused(stage.vision.create_project, ProjectName="twice")
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ConflictException", 409)
    assert (found["ResourceId"], found["ResourceType"]) == ("twice", "PROJECT")
    assert "already exists" in found["Error"]["Message"]
    assert found["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == "ConflictException"
    with pytest.raises(stage.vision.exceptions.ConflictException):
        stage.vision.create_project(ProjectName="twice")


def test_names_differ_by_case(stage: Stage) -> None:
    stage.project("Cased")
    assert stage.vision.create_project(ProjectName="cased")["ProjectMetadata"]["ProjectName"] == "cased"


def _absent(vision: Any) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    dataset = {"ProjectName": "absent", "DatasetType": "train"}
    model = {"ProjectName": "absent", "ModelVersion": "1"}
    location = {"S3Location": {"Bucket": "inspection"}}
    return {
        "DescribeProject": (vision.describe_project, {"ProjectName": "absent"}),
        "DeleteProject": (vision.delete_project, {"ProjectName": "absent"}),
        "CreateDataset": (vision.create_dataset, dataset),
        "DescribeDataset": (vision.describe_dataset, dataset),
        "DeleteDataset": (vision.delete_dataset, dataset),
        "ListDatasetEntries": (vision.list_dataset_entries, dataset),
        "UpdateDatasetEntries": (vision.update_dataset_entries, dataset | {"Changes": b"{}"}),
        "CreateModel": (vision.create_model, {"ProjectName": "absent", "OutputConfig": location}),
        "DescribeModel": (vision.describe_model, model),
        "ListModels": (vision.list_models, {"ProjectName": "absent"}),
        "DeleteModel": (vision.delete_model, model),
        "StartModel": (vision.start_model, model | {"MinInferenceUnits": 1}),
        "StopModel": (vision.stop_model, model),
        "DetectAnomalies": (vision.detect_anomalies, model | {"ContentType": "image/jpeg", "Body": b"junk"}),
    }


@pytest.mark.parametrize("operation", sorted(_absent(type("Any", (), {"__getattr__": lambda self, name: None})())))
def test_an_absent_project_is_not_found(stage: Stage, operation: str) -> None:
    call, members = _absent(stage.vision)[operation]
    found = refused(call, **members)
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ResourceNotFoundException", 404)
    assert (found["ResourceId"], found["ResourceType"]) == ("absent", "PROJECT")
    assert "Project absent does not exist in us-east-1" in found["Error"]["Message"]


def test_delete(stage: Stage) -> None:
    stage.project("short-lived")
    assert stage.vision.delete_project(ProjectName="short-lived")["ProjectArn"] == project_arn("short-lived")
    assert outcome(stage.vision.describe_project, ProjectName="short-lived")[0] == "ResourceNotFoundException"
    stage.project("short-lived")


def test_delete_with_a_dataset_is_a_conflict(stage: Stage) -> None:
    stage.project("with-dataset")
    stage.vision.create_dataset(ProjectName="with-dataset", DatasetType="test")
    found = refused(stage.vision.delete_project, ProjectName="with-dataset")
    assert (found["Error"]["Code"], found["ResourceType"]) == ("ConflictException", "PROJECT")
    assert "delete them first" in found["Error"]["Message"]
    stage.vision.delete_dataset(ProjectName="with-dataset", DatasetType="test")
    stage.vision.delete_project(ProjectName="with-dataset")


def test_projects_are_listed_in_pages_in_the_order_of_creation(stage: Stage) -> None:
    names = [f"page-{number}" for number in (3, 1, 2, 5, 4)]
    for name in names:
        stage.project(name, "eu-west-1")
    client = stage.client("lookoutvision", "eu-west-1")
    found = pages(client, "list_projects", "Projects", 2)
    assert [[one["ProjectName"] for one in page] for page in found] == [names[:2], names[2:4], names[4:]]
    assert found[0][0]["ProjectArn"] == project_arn("page-3", "eu-west-1")
    assert "NextToken" not in client.list_projects(MaxResults=5)
    token = client.list_projects(MaxResults=3)["NextToken"]
    assert client.list_projects(NextToken=token)["Projects"] == [*found[1][1:], *found[2]]
    assert client.list_projects(NextToken="")["Projects"][0] == found[0][0]


@pytest.mark.parametrize("token", ["AAAA", "bm90aGluZw==", "="])
def test_a_token_that_was_not_given_out(stage: Stage, token: str) -> None:
    code, status, message = outcome(stage.vision.list_projects, NextToken=token)
    assert (code, status) == ("ValidationException", 400)
    assert "NextToken is not valid" in message


def test_a_token_of_another_list(stage: Stage) -> None:
    for name in ("list-a", "list-b"):
        stage.project(name, "eu-central-1")
    token = stage.client("lookoutvision", "eu-central-1").list_projects(MaxResults=1)["NextToken"]
    assert outcome(stage.vision.list_projects, NextToken=token)[0] == "ValidationException"


def test_regions_hold_separate_resources(stage: Stage) -> None:
    west, east = stage.client("lookoutvision", "us-west-2"), stage.vision
    stage.project("everywhere")
    stage.project("everywhere", "us-west-2")
    arn = west.describe_project(ProjectName="everywhere")["ProjectDescription"]["ProjectArn"]
    assert arn == project_arn("everywhere", "us-west-2")
    west.create_dataset(ProjectName="everywhere", DatasetType="train")
    assert east.describe_project(ProjectName="everywhere")["ProjectDescription"]["Datasets"] == []
    west.delete_dataset(ProjectName="everywhere", DatasetType="train")
    west.delete_project(ProjectName="everywhere")
    assert east.describe_project(ProjectName="everywhere")["ProjectDescription"]["ProjectArn"]


def test_a_repeated_token_replays_the_answer(stage: Stage) -> None:
    first = stage.vision.create_project(ProjectName="once", ClientToken=TOKEN)["ProjectMetadata"]
    assert stage.vision.create_project(ProjectName="once", ClientToken=TOKEN)["ProjectMetadata"] == first
    # A token belongs to one operation on one resource: elsewhere it is a new one.
    assert stage.vision.create_project(ProjectName="other", ClientToken=TOKEN)["ProjectMetadata"] != first
    deleted = stage.vision.delete_project(ProjectName="once", ClientToken=TOKEN)
    assert stage.vision.delete_project(ProjectName="once", ClientToken=TOKEN)["ProjectArn"] == deleted["ProjectArn"]
    # The answer would no longer be true: the project is made anew.
    again = stage.vision.create_project(ProjectName="once", ClientToken=TOKEN)["ProjectMetadata"]
    assert again["CreationTimestamp"] > first["CreationTimestamp"]


def test_the_client_finds_what_is_missing_by_the_restored_description(stage: Stage) -> None:
    with pytest.raises(ParamValidationError, match="ProjectName"):
        stage.vision.create_project()
