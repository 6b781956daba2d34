from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.model import StructureShape
from transform_world import BUCKET, SCOPE, World, request

from relook.aws.errors import ServiceError
from relook.core.serving import ContainerDefinition, ContainerMode, ModelDefinition
from relook.core.transforms import TRANSITIONS, TransformStatus, sources
from relook.services.sagemaker.description import sagemaker_model
from relook.store import sagemaker_documents as documents
from relook.store.sagemaker_documents import DocumentKind

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:transform-job/"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.model()
    yield made
    made.close()


def refused(world: World, **members: Any) -> str:
    """The message of a ValidationException, after which there is no job."""
    with pytest.raises(ServiceError) as caught:
        world.create(**members)
    assert caught.value.code == "ValidationException"
    assert world.transforms.list(world.context, {})["TransformJobSummaries"] == []
    return caught.value.message


def test_everything_that_was_asked_is_told_again(world: World) -> None:
    members: dict[str, Any] = {
        "MaxConcurrentTransforms": 4,
        "MaxPayloadInMB": 5,
        "BatchStrategy": "SingleRecord",
        "Environment": {"A": "b"},
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 2},
        "DataProcessing": {"InputFilter": "$[1:]", "OutputFilter": "$[0,5:]", "JoinSource": "Input"},
        "ExperimentConfig": {"ExperimentName": "e", "TrialName": "t"},
        "TransformInput": {"ContentType": "text/csv", "SplitType": "Line", "CompressionType": "Gzip"},
        "TransformOutput": {"Accept": "text/csv", "AssembleWith": "Line", "KmsKeyId": ""},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeKmsKeyId": ""},
    }
    world.create("Job", **members, Tags=[{"Key": "k", "Value": "v"}])
    found = world.describe("job")
    asked = {name: value for name, value in request("Job", **members).items() if name != "TransformJobName"}
    assert {name: found[name] for name in asked} == asked
    assert found["TransformJobName"] == "Job"
    assert found["TransformJobArn"] == ARN + "job"
    assert found["TransformJobStatus"] == "InProgress"
    assert "Tags" not in found
    shape = sagemaker_model().operation_model("DescribeTransformJob").output_shape
    assert isinstance(shape, StructureShape)
    assert set(found) <= set(shape.members)
    assert set(shape.required_members) <= set(found)


def test_a_name_is_used_once(world: World) -> None:
    world.create("job")
    with pytest.raises(ServiceError) as caught:
        world.create("JOB")
    assert caught.value.code == "ResourceInUse"
    assert caught.value.message == (
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({ARN}job)"
    )


def test_what_is_not_there(world: World) -> None:
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:model/gone"
    assert refused(world, ModelName="gone") == f'Could not find model "{arn}".'
    for operation in (world.transforms.describe, world.transforms.stop):
        with pytest.raises(ServiceError, match="Could not find requested job with name: Gone") as caught:
            operation(world.context, {"TransformJobName": "Gone"})
        assert caught.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB is 101: at most 100"),
        ({"MaxPayloadInMB": 26, "MaxConcurrentTransforms": 4}, "4 * 26 = 104: at most 100"),
        ({"TransformOutput": {"KmsKeyId": "alias/k"}}, "TransformOutput.KmsKeyId"),
        (
            {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeKmsKeyId": "k"}},
            "TransformResources.VolumeKmsKeyId",
        ),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "DataCaptureConfig is not offered"),
        ({"S3DataSource": {"S3DataType": "AugmentedManifestFile"}}, "S3DataType AugmentedManifestFile is not offered"),
        ({"S3DataSource": {"S3Uri": "https://b/in"}}, "S3DataSource.S3Uri: https://b/in is not of the form s3://"),
        ({"S3DataSource": {"S3Uri": "s3://b", "S3DataType": "ManifestFile"}}, "s3://b names no manifest object"),
        ({"TransformOutput": {"S3OutputPath": "https://b/out"}}, "TransformOutput.S3OutputPath: https://b/out"),
        (
            {"TransformOutput": {"S3OutputPath": "s3://nowhere/out"}},
            "TransformOutput.S3OutputPath: s3://nowhere/out cannot be written to: ",
        ),
        ({"DataProcessing": {"InputFilter": "$.["}}, "DataProcessing.InputFilter: '$.[' is no path"),
        ({"DataProcessing": {"OutputFilter": "id"}}, "DataProcessing.OutputFilter: 'id' is no path that can be used"),
        ({"DataProcessing": {"OutputFilter": "$." + "x" * 70}}, "at most 63"),
        ({"DataProcessing": {"InputFilter": "$.a"}}, "InputFilter needs TransformInput.ContentType to be one of"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"ContentType": "image/jpeg"}},
            "JoinSource needs TransformInput.ContentType to be one of",
        ),
        (
            {
                "DataProcessing": {"JoinSource": "Input"},
                "TransformInput": {"ContentType": "text/csv", "SplitType": "TFRecord"},
            },
            "JoinSource needs SplitType None or Line, not TFRecord",
        ),
        (
            {"DataProcessing": {"InputFilter": "$.a"}, "TransformInput": {"ContentType": "text/csv"}},
            "a row of CSV has numbered columns only",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(world: World, members: dict[str, Any], message: str) -> None:
    assert message in refused(world, **members)


def test_models_that_no_transform_can_ask(world: World) -> None:
    several = ContainerDefinition(image="test", mode=ContainerMode.MULTI_MODEL)
    world.keep(ModelDefinition("several", (several,)))
    assert "has the mode MultiModel" in refused(world, ModelName="several")
    direct = tuple(ContainerDefinition(image="test", hostname=name) for name in ("a", "b"))
    world.keep(ModelDefinition("direct", direct, direct=True))
    assert "has the inference mode Direct" in refused(world, ModelName="direct")


def test_lists_are_the_newest_first_and_filtered(world: World) -> None:
    for name in ("a-1", "b-1", "a-2"):
        world.create(name)
    world.stop("a-1")

    def names(**members: Any) -> list[str]:
        found = world.transforms.list(world.context, members)
        return [each["TransformJobName"] for each in found["TransformJobSummaries"]]

    assert names() == ["a-2", "b-1", "a-1"]
    assert names(SortOrder="Ascending") == ["a-1", "b-1", "a-2"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["a-1", "a-2", "b-1"]
    assert names(NameContains="A-") == ["a-2", "a-1"]
    assert names(StatusEquals="Stopping") == ["a-1"]
    page = world.transforms.list(world.context, {"MaxResults": 2})
    assert names(MaxResults=2, NextToken=page["NextToken"]) == ["a-1"]


def test_a_summary_tells_how_a_job_ended(world: World) -> None:
    world.done()
    (found,) = world.transforms.list(world.context, {})["TransformJobSummaries"]
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(f"ClientError: No S3 objects found under prefix: s3://{BUCKET}/in/")
    assert found["CreationTime"] <= found["TransformEndTime"] == found["LastModifiedTime"]
    shape = sagemaker_model().shape_for("TransformJobSummary")
    assert isinstance(shape, StructureShape)
    assert set(found) <= set(shape.members)


def test_a_job_that_has_ended_cannot_be_stopped(world: World) -> None:
    world.done()
    with pytest.raises(ServiceError) as caught:
        world.stop()
    # The SDK takes this code for "already stopped".
    assert caught.value.code == "ValidationException"
    assert caught.value.message == "The request was rejected because the transform job is in status Failed."


def test_the_model_may_go_while_a_job_waits(world: World) -> None:
    world.put("in/x", b"x")
    world.create()
    with world.store.write() as connection:
        found = documents.find(connection, SCOPE, DocumentKind.MODEL, "m")
        assert found is not None
        documents.remove(connection, found.id)
    world.work()
    assert world.describe()["TransformJobStatus"] == "Completed"


def test_every_status_but_the_ends_leads_on() -> None:
    ends = {status for status, targets in TRANSITIONS.items() if not targets}
    assert ends == {TransformStatus.COMPLETED, TransformStatus.FAILED, TransformStatus.STOPPED}
    assert sources(TransformStatus.STOPPED) == {TransformStatus.STOPPING}
