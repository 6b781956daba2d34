"""Models through real boto3: what is accepted, refused, listed and told, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from lookout_stage import Stage, outcome
from sagemaker_calls import DATA, IMAGE, ROLE, arn, container, make_model


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    return stage.client("sagemaker")


def test_a_model_is_described_as_it_was_created(sagemaker: Any) -> None:
    made = make_model(sagemaker, "Cookie-Model", EnableNetworkIsolation=True, Tags=[{"Key": "line", "Value": "A"}])
    assert made == arn("model", "cookie-model")
    found = sagemaker.describe_model(ModelName="Cookie-Model")
    assert found["ModelName"] == "Cookie-Model"
    assert found["ModelArn"] == made
    assert found["PrimaryContainer"] == container(Environment={}, Mode="SingleModel")
    assert found["ExecutionRoleArn"] == ROLE
    assert found["EnableNetworkIsolation"] is True
    assert found["CreationTime"].tzinfo is not None
    assert sagemaker.list_tags(ResourceArn=made)["Tags"] == [{"Key": "line", "Value": "A"}]


def test_a_list_of_containers_is_a_pipeline(sagemaker: Any) -> None:
    several = [container(ContainerHostname=name) for name in ("scale", "score", "tell")]
    mode = {"InferenceExecutionConfig": {"Mode": "Direct"}}
    make_model(sagemaker, "direct", Containers=several, **mode)
    found = sagemaker.describe_model(ModelName="direct")
    assert [each["ContainerHostname"] for each in found["Containers"]] == ["scale", "score", "tell"]
    assert found["InferenceExecutionConfig"] == {"Mode": "Direct"}
    assert found["EnableNetworkIsolation"] is False
    assert "PrimaryContainer" not in found


def test_deleting_frees_the_name_and_takes_the_tags_along(sagemaker: Any) -> None:
    made = make_model(sagemaker, "brief", Tags=[{"Key": "a", "Value": "b"}])
    answer = sagemaker.delete_model(ModelName="brief")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    missing = ("ValidationException", 400, f'Could not find model "{made}".')
    assert outcome(sagemaker.describe_model, ModelName="brief") == missing
    assert outcome(sagemaker.delete_model, ModelName="brief") == missing
    make_model(sagemaker, "brief")
    assert sagemaker.list_tags(ResourceArn=made)["Tags"] == []


def test_a_name_is_taken_whatever_its_case(sagemaker: Any) -> None:
    made = make_model(sagemaker, "Taken")
    taken = ("ValidationException", 400, f'Cannot create already existing model "{made}".')
    assert outcome(make_model, sagemaker=sagemaker, name="taken") == taken


_BOTH = {"PrimaryContainer": container(), "Containers": [container()]}
_SOURCE = {"S3Uri": "s3://models/first/", "S3DataType": "S3Prefix", "CompressionType": "Gzip"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both forms": (_BOTH, "Both PrimaryContainer and Containers"),
    "no container": ({"Containers": []}, "Neither PrimaryContainer nor Containers"),
    "no image": ({"PrimaryContainer": {"ModelDataUrl": DATA}}, "PrimaryContainer has neither Image nor ModelPackage"),
    "image and package": (
        {"PrimaryContainer": container(ModelPackageName="p")},
        "PrimaryContainer has both Image and ModelPackageName",
    ),
    "https": ({"PrimaryContainer": container(ModelDataUrl="https://x/y")}, "give it as s3://bucket/key"),
    "two sources": (
        {"PrimaryContainer": container(ModelDataSource={"S3DataSource": _SOURCE})},
        "both ModelDataUrl and ModelDataSource",
    ),
    "zipped prefix": (
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataSource": {"S3DataSource": _SOURCE}}},
        "S3Prefix cannot be Gzip",
    ),
    "many without data": ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "needs ModelDataUrl"),
    "cache of one": (
        {"PrimaryContainer": container(MultiModelConfig={"ModelCacheSetting": "Disabled"})},
        "needs Mode MultiModel",
    ),
    "hostname twice": ({"Containers": [container(ContainerHostname="a")] * 2}, "same ContainerHostname"),
    "direct without hostnames": (
        {"Containers": [container()], "InferenceExecutionConfig": {"Mode": "Direct"}},
        "needs a ContainerHostname",
    ),
    "vpc": (
        {"PrimaryContainer": container(), "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
        "VpcConfig is not offered by this server: set EnableNetworkIsolation",
    ),
    "vpc registry": (
        {"PrimaryContainer": container(ImageConfig={"RepositoryAccessMode": "Vpc"})},
        "PrimaryContainer.ImageConfig.RepositoryAccessMode is not offered",
    ),
    "tag twice": (
        {"PrimaryContainer": container(), "Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
        "twice",
    ),
}


@pytest.mark.parametrize(("members", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_name(sagemaker: Any, members: dict[str, Any], words: str) -> None:
    code, status, message = outcome(sagemaker.create_model, ModelName="refused", ExecutionRoleArn=ROLE, **members)
    assert (code, status) == ("ValidationException", 400)
    assert words in message
    assert outcome(sagemaker.describe_model, ModelName="refused")[0] == "ValidationException"


def test_a_broken_constraint_is_told_as_aws_does(stage: Stage) -> None:
    unchecked = stage.client("sagemaker", checked=False)
    code, _, message = outcome(unchecked.describe_model, ModelName="-bad-")
    assert code == "ValidationException"
    assert message.startswith(
        "1 validation error detected: Value '-bad-' at 'modelName' failed to satisfy constraint: "
    )


def test_lists_are_newest_first_filtered_sorted_and_paged(stage: Stage) -> None:
    client = stage.client("sagemaker", "eu-west-1")
    names = [f"list-{letter}" for letter in "bdace"]
    for name in names:
        make_model(client, name)
    make_model(client, "other")
    newest_first = [each["ModelName"] for each in client.list_models(NameContains="LIST")["Models"]]
    assert newest_first == names[::-1]
    sort = {"NameContains": "list", "SortBy": "Name", "SortOrder": "Ascending"}
    pages = client.get_paginator("list_models").paginate(**sort, PaginationConfig={"PageSize": 2})
    found = [[each["ModelName"] for each in page["Models"]] for page in pages]
    assert found == [["list-a", "list-b"], ["list-c", "list-d"], ["list-e"]]
    times = {each["ModelName"]: each["CreationTime"] for each in client.list_models(MaxResults=100)["Models"]}
    later = client.list_models(CreationTimeAfter=times["list-d"])["Models"]
    assert "list-d" not in [each["ModelName"] for each in later]
    earlier = client.list_models(CreationTimeBefore=times["other"], SortOrder="Ascending", MaxResults=1)["Models"]
    assert [each["ModelName"] for each in earlier] == ["list-b"]


def test_a_page_goes_on_where_it_ended_though_rows_went(stage: Stage) -> None:
    client = stage.client("sagemaker", "eu-west-2")
    for name in ("one", "two", "three", "four"):
        make_model(client, name)
    first = client.list_models(MaxResults=2)
    assert [each["ModelName"] for each in first["Models"]] == ["four", "three"]
    client.delete_model(ModelName="three")
    rest = client.list_models(MaxResults=2, NextToken=first["NextToken"])
    assert [each["ModelName"] for each in rest["Models"]] == ["two", "one"]
    assert "NextToken" not in rest
    code, _, message = outcome(client.list_models, NextToken=first["NextToken"], NameContains="o")
    assert code == "ValidationException"
    assert "NextToken" in message
