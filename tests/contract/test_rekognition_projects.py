"""CreateProject, DescribeProjects, DeleteProject by boto3."""

from __future__ import annotations

import datetime

import pytest
from label_stage import LabelStage, code
from lookout_stage import ACCOUNT, Stage, refused

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def labels(stage: Stage) -> LabelStage:
    return LabelStage(stage, REGION)


def test_create_and_describe(labels: LabelStage) -> None:
    before = datetime.datetime.now(datetime.UTC)
    answer = labels.client.create_project(ProjectName="Proj.2021-10-29T11.09.22_a")
    arn = answer["ProjectArn"]
    assert set(answer) == {"ProjectArn", "ResponseMetadata"}
    assert answer["ResponseMetadata"]["RequestId"]
    head, name, number = arn.split("/")
    assert (head, name) == (f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project", "Proj.2021-10-29T11.09.22_a")
    (found,) = labels.client.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    created = found.pop("CreationTimestamp")
    assert found == {"ProjectArn": arn, "Status": "CREATED", "Datasets": [], "Feature": "CUSTOM_LABELS"}
    assert round(created.timestamp() * 1000) == int(number)
    assert abs(created - before) < datetime.timedelta(minutes=1)


def test_a_name_of_255_characters_and_of_any_case(labels: LabelStage) -> None:
    for name in ("n" * 255, "Cased", "cased"):
        assert labels.project(name).split("/")[1] == name


def test_a_name_in_use(labels: LabelStage, stage: Stage) -> None:
    labels.project("twice")
    found = refused(labels.client.create_project, ProjectName="twice")
    assert code(found) == ("ResourceInUseException", 400)
    assert "already exists" in found["Error"]["Message"]
    with pytest.raises(labels.client.exceptions.ResourceInUseException):
        labels.client.create_project(ProjectName="twice")
    assert LabelStage(stage, "eu-west-2").project("twice").split(":")[3] == "eu-west-2"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"Feature": "CONTENT_MODERATION"}, "CONTENT_MODERATION"),
        ({"AutoUpdate": "ENABLED"}, "AutoUpdate"),
        ({"AutoUpdate": "DISABLED", "Feature": "CUSTOM_LABELS"}, "AutoUpdate"),
        ({"Tags": {f"key-{number}": "" for number in range(51)}}, "51 tags"),
        ({"Tags": {"AWS:reserved": "x"}}, "aws:"),
    ],
    ids=["content moderation", "adapters", "adapters off", "too many tags", "a reserved tag"],
)
def test_what_is_refused_by_name(labels: LabelStage, given: dict[str, object], named: str) -> None:
    found = refused(labels.client.create_project, ProjectName="refused", **given)
    assert code(found) == ("InvalidParameterException", 400)
    assert named in found["Error"]["Message"]
    assert labels.client.describe_projects(ProjectNames=["refused"])["ProjectDescriptions"] == []


def test_the_feature_may_be_given(labels: LabelStage) -> None:
    assert labels.client.create_project(ProjectName="featured", Feature="CUSTOM_LABELS")["ProjectArn"]


@pytest.mark.parametrize("name", ["", "n" * 256, "a b", "a/b", "ä"])
def test_names_that_the_model_does_not_know(labels: LabelStage, name: str) -> None:
    found = refused(labels.unchecked.create_project, ProjectName=name)
    assert code(found) == ("ValidationException", 400)
    assert "failed to satisfy constraint" in found["Error"]["Message"]


def test_a_hundred_projects_are_the_most(stage: Stage) -> None:
    labels = LabelStage(stage, "ap-south-1")
    arns = [labels.project(f"many-{number}") for number in range(100)]
    found = refused(labels.client.create_project, ProjectName="one-more")
    assert code(found) == ("LimitExceededException", 400)
    assert "label_projects" in found["Error"]["Message"]
    labels.client.delete_project(ProjectArn=arns[0])
    assert labels.project("one-more")


def test_pages_newest_first(stage: Stage) -> None:
    labels = LabelStage(stage, "sa-east-1")
    arns = [labels.project(f"paged-{number}") for number in range(5)]
    pages = [*labels.client.get_paginator("describe_projects").paginate(PaginationConfig={"PageSize": 2})]
    assert [len(page["ProjectDescriptions"]) for page in pages] == [2, 2, 1]
    assert [one["ProjectArn"] for page in pages for one in page["ProjectDescriptions"]] == arns[::-1]
    assert ["NextToken" in page for page in pages] == [True, True, False]
    whole = labels.client.describe_projects(NextToken="", MaxResults=5)
    assert len(whole["ProjectDescriptions"]) == 5
    assert "NextToken" not in whole
    named = labels.client.describe_projects(ProjectNames=["paged-3", "paged-1", "nowhere", "paged-3"])
    assert [one["ProjectArn"] for one in named["ProjectDescriptions"]] == [arns[3], arns[1]]


def test_tokens_of_other_lists(stage: Stage) -> None:
    labels = LabelStage(stage, "ca-central-1")
    for number in range(3):
        labels.project(f"token-{number}")
    token = labels.client.describe_projects(MaxResults=1)["NextToken"]
    elsewhere = LabelStage(stage, "eu-north-1").client
    for found in (
        refused(labels.client.describe_projects, NextToken=token[:-4] + "AAAA"),
        refused(labels.client.describe_projects, NextToken="no token"),
        refused(labels.client.describe_projects, NextToken=token, ProjectNames=["token-1"]),
        refused(elsewhere.describe_projects, NextToken=token),
    ):
        assert code(found) == ("InvalidPaginationTokenException", 400)


def test_features(labels: LabelStage) -> None:
    labels.project("one-feature")
    describe = labels.client.describe_projects
    assert describe(Features=["CONTENT_MODERATION"])["ProjectDescriptions"] == []
    found = refused(describe, Features=["CONTENT_MODERATION"], NextToken="mine")
    assert code(found) == ("InvalidPaginationTokenException", 400)
    both = describe(Features=["CONTENT_MODERATION", "CUSTOM_LABELS"], ProjectNames=["one-feature"])
    assert [one["Feature"] for one in both["ProjectDescriptions"]] == ["CUSTOM_LABELS"]


@pytest.mark.parametrize("given", [{"MaxResults": 101}, {"ProjectNames": ["a b"]}, {"Features": ["FACES"]}], ids=str)
def test_constraints_of_the_model(labels: LabelStage, given: dict[str, object]) -> None:
    assert code(refused(labels.unchecked.describe_projects, **given)) == ("ValidationException", 400)


def test_delete_as_scripts_poll(labels: LabelStage) -> None:
    arn = labels.project("deleted")
    assert labels.client.delete_project(ProjectArn=arn)["Status"] == "DELETING"
    assert labels.client.describe_projects(ProjectNames=["deleted"])["ProjectDescriptions"] == []
    assert code(refused(labels.client.delete_project, ProjectArn=arn)) == ("ResourceNotFoundException", 400)
    again = labels.project("deleted")
    assert again != arn
    assert code(refused(labels.client.delete_project, ProjectArn=arn)) == ("ResourceNotFoundException", 400)
    assert labels.client.delete_project(ProjectArn=again)["Status"] == "DELETING"


def test_a_project_with_a_dataset_stays(labels: LabelStage) -> None:
    project = labels.project()
    dataset = labels.create(project)
    assert code(refused(labels.client.delete_project, ProjectArn=project)) == ("ResourceInUseException", 400)
    labels.client.delete_dataset(DatasetArn=dataset)
    assert labels.client.delete_project(ProjectArn=project)["Status"] == "DELETING"


def test_arns_of_nothing(labels: LabelStage) -> None:
    arn = labels.project("named")
    head, name, number = arn.split("/")
    absent = [
        f"{head}/{name}/{int(number) + 1}",
        f"{head}/{name}/0{number}",
        f"{head}/{name}/{'9' * 300}",
        f"{head}/other/{number}",
        arn.replace(ACCOUNT, "1" * 12),
        arn.replace(REGION, "us-west-2"),
    ]
    for wrong in absent:
        found = refused(labels.client.delete_project, ProjectArn=wrong)
        assert code(found) == ("ResourceNotFoundException", 400), wrong
    partition = refused(labels.client.delete_project, ProjectArn=arn.replace("arn:aws:", "arn:aws-cn:"))
    assert code(partition) == ("InvalidParameterException", 400)
    for malformed in (head, f"{head}/{name}/x", f"{arn}/version/v/1"):
        found = refused(labels.unchecked.delete_project, ProjectArn=malformed)
        assert code(found) == ("ValidationException", 400), malformed


def test_the_rest_of_rekognition_is_not_there(labels: LabelStage) -> None:
    found = refused(labels.client.list_collections)
    assert found["Error"]["Code"] == "UnknownOperationException"
