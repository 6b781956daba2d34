"""Training jobs through boto3: in the sandbox, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from lookout_stage import Stage, outcome, refused, until
from sagemaker_calls import arn
from training_calls import ALGORITHM, FAST, OUT, channel, members_of, ready, request, running, sandboxed, settled

REACHING_OUT = """
import socket
way = socket.socket()
way.settimeout(5)
try:
    way.connect(("192.0.2.1", 80))
except OSError as error:
    print("refused=%d" % error.errno)
else:
    raise SystemExit(1)
"""
WAITING = """
import signal, sys, time
def end(number, frame):
    open("/opt/ml/model/kept", "w").write("kept")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
time.sleep(200)
"""


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    return ready(stage)


@sandboxed
def test_a_container_trains_and_is_described_as_clients_read_it(stage: Stage, sagemaker: Any) -> None:
    code = "total = sum(map(int, open('/opt/ml/input/data/train/numbers.txt')))\n"
    code += "open('/opt/ml/model/total', 'w').write(str(total))\nprint('total=%d' % total)"
    hook = {"S3OutputPath": f"s3://{OUT}/", "CollectionConfigurations": []}
    profiler = {"S3OutputPath": f"s3://{OUT}/", "DisableProfiler": False}
    answer = sagemaker.create_training_job(
        **running(
            stage,
            "Adding-Up",
            code,
            MetricDefinitions=[{"Name": "total", "Regex": r"total=(\d+)"}],
            HyperParameters={"epochs": "1"},
            InputDataConfig=[channel(f"s3://{OUT}/in/")],
            EnableNetworkIsolation=True,
            DebugHookConfig=hook,
            ProfilerConfig=profiler,
            Environment={},
            Tags=[{"Key": "line", "Value": "A"}],
        )
    )
    assert answer["TrainingJobArn"] == arn("training-job", "Adding-Up")
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="adding-up", WaiterConfig=FAST)
    found = sagemaker.describe_training_job(TrainingJobName="Adding-Up")
    assert found["TrainingJobStatus"] == found["SecondaryStatus"] == "Completed"
    assert [each["Status"] for each in found["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert found["OutputDataConfig"] == {"S3OutputPath": f"s3://{OUT}/", "KmsKeyId": "", "CompressionType": "GZIP"}
    assert found["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://{OUT}/Adding-Up/output/model.tar.gz"}
    assert (found["DebugHookConfig"], found["ProfilerConfig"]) == (hook, profiler)
    assert [(one["MetricName"], one["Value"]) for one in found["FinalMetricDataList"]] == [("total", 6.0)]
    assert found["BillableTimeInSeconds"] == found["TrainingTimeInSeconds"] >= 1
    assert members_of(stage, "Adding-Up/output/model.tar.gz") == {"total": b"6"}
    assert sagemaker.list_tags(ResourceArn=found["TrainingJobArn"])["Tags"] == [{"Key": "line", "Value": "A"}]


@sandboxed
def test_a_program_that_fails_says_why(stage: Stage, sagemaker: Any) -> None:
    code = "open('/opt/ml/output/failure', 'w').write('no labels')\nraise SystemExit(4)"
    sagemaker.create_training_job(**running(stage, "failing", code))
    with pytest.raises(WaiterError):
        sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="failing", WaiterConfig=FAST)
    found = sagemaker.describe_training_job(TrainingJobName="failing")
    assert found["FailureReason"] == "AlgorithmError: no labels, exit code: 4"
    assert found["ModelArtifacts"] == {"S3ModelArtifacts": ""}


@sandboxed
def test_an_isolated_training_reaches_nobody(stage: Stage, sagemaker: Any) -> None:
    metrics = [{"Name": "errno", "Regex": r"refused=(\d+)"}]
    sagemaker.create_training_job(
        **running(stage, "isolated", REACHING_OUT, MetricDefinitions=metrics, EnableNetworkIsolation=True)
    )
    found = settled(sagemaker, "isolated")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert found["FinalMetricDataList"][0]["Value"] == 101.0  # ENETUNREACH: not even a way out


@sandboxed
def test_a_training_is_stopped_and_can_be_deleted_then(stage: Stage, sagemaker: Any) -> None:
    sagemaker.create_training_job(**running(stage, "stopping", WAITING))
    until(
        partial(sagemaker.describe_training_job, TrainingJobName="stopping"),
        lambda found: found["SecondaryStatus"] == "Training",
    )
    in_use = refused(sagemaker.delete_training_job, TrainingJobName="stopping")["Error"]
    assert in_use["Code"] == "ResourceInUse"
    assert sagemaker.stop_training_job(TrainingJobName="stopping")["ResponseMetadata"]["HTTPStatusCode"] == 200
    found = settled(sagemaker, "stopping")
    assert found["TrainingJobStatus"] == found["SecondaryStatus"] == "Stopped"
    assert found["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.stop_training_job(TrainingJobName="stopping")
    sagemaker.delete_training_job(TrainingJobName="stopping")
    missing = ("ValidationException", 400, "Requested resource not found.")
    assert outcome(sagemaker.describe_training_job, TrainingJobName="stopping") == missing


def test_what_cannot_be_done_is_refused_by_name(sagemaker: Any) -> None:
    key = {"S3OutputPath": f"s3://{OUT}/", "KmsKeyId": "alias/key"}
    resources = request("x")["ResourceConfig"]
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"OutputDataConfig": key}, "OutputDataConfig.KmsKeyId"),
        ({"ResourceConfig": resources | {"InstanceCount": 2}}, "ResourceConfig.InstanceCount"),
        ({"ResourceConfig": resources | {"KeepAlivePeriodInSeconds": 60}}, "KeepAlivePeriodInSeconds"),
        ({"ResourceConfig": resources | {"VolumeKmsKeyId": "key"}}, "ResourceConfig.VolumeKmsKeyId"),
        ({"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}, "VpcConfig"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://nobodys-bucket/"}}, "nobodys-bucket"),
        ({"InputDataConfig": [channel(f"s3://{OUT}/nothing/")]}, "No S3 objects found under S3 URL"),
        ({"InputDataConfig": [channel(f"s3://{OUT}/in/"), channel(f"s3://{OUT}/in/")]}, "more than once"),
        ({"AlgorithmSpecification": {"AlgorithmName": ALGORITHM}}, "either TrainingImage or AlgorithmName"),
        ({"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "m", "Regex": "("}]}}, "metric m"),
        ({"CheckpointConfig": {"S3Uri": f"s3://{OUT}/c", "LocalPath": "/opt/ml/model"}}, "CheckpointConfig.LocalPath"),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds"),
    ]
    manifest = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref"]}
    refusals += [
        ({"InputDataConfig": [channel(f"s3://{OUT}/in/", source=manifest)]}, "needs the input mode Pipe"),
        ({"InputDataConfig": [channel(f"s3://{OUT}/in/", RecordWrapperType="RecordIO")]}, "RecordIO"),
        ({"InputDataConfig": [channel(f"s3://{OUT}/in/", CompressionType="Gzip")]}, "Gzip"),
    ]
    for members, shown in refusals:
        code, status, message = outcome(sagemaker.create_training_job, **request("refused", **members))
        assert (code, status) == ("ValidationException", 400), message
        assert shown in message


def test_an_image_that_nothing_runs_fails_the_job_and_its_name_stays_taken(sagemaker: Any) -> None:
    sagemaker.create_training_job(
        **request("no-such-image", AlgorithmSpecification={"TrainingImage": "builtin/nothing"})
    )
    found = settled(sagemaker, "no-such-image")
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: ")
    assert "builtin/nothing" in found["FailureReason"]
    taken = refused(sagemaker.create_training_job, **request("No-Such-Image"))
    assert taken["Error"]["Code"] == "ResourceInUse"
    assert arn("training-job", "no-such-image") in taken["Error"]["Message"]
    assert "already exists" in taken["Message"]


def test_lists_and_search(sagemaker: Any) -> None:
    for name, tag in (("listed-b", "two"), ("listed-a", "one")):
        sagemaker.create_training_job(
            **request(
                name,
                AlgorithmSpecification={"TrainingImage": "builtin/nothing"},
                HyperParameters={"rate.first": "0.5"},
                Tags=[{"Key": "of", "Value": tag}],
            )
        )
        settled(sagemaker, name)

    def listed(**more: Any) -> list[str]:
        found = sagemaker.list_training_jobs(NameContains="listed", **more)["TrainingJobSummaries"]
        return [each["TrainingJobName"] for each in found]

    assert listed() == ["listed-b", "listed-a"]
    assert listed(SortBy="Name") == ["listed-a", "listed-b"]
    assert listed(StatusEquals="Completed") == []
    first = sagemaker.list_training_jobs(NameContains="listed", MaxResults=1)
    assert listed(MaxResults=1, NextToken=first["NextToken"]) == ["listed-a"]

    def found(*filters: dict[str, str], **more: Any) -> list[str]:
        expression = {"SearchExpression": {"Filters": list(filters)}} if filters else {}
        results = sagemaker.search(Resource="TrainingJob", **expression, **more)["Results"]
        return [each["TrainingJob"]["TrainingJobName"] for each in results]

    named = {"Name": "TrainingJobName", "Operator": "Contains", "Value": "listed"}
    assert found(named, SortBy="TrainingJobName", SortOrder="Ascending") == ["listed-a", "listed-b"]
    assert found({"Name": "Tags.of", "Value": "two"}) == ["listed-b"]
    assert (
        found(
            named,
            {"Name": "HyperParameters.rate.first", "Value": "0.5"},
            {"Name": "TrainingJobStatus", "Value": "Completed"},
        )
        == []
    )
    code, _, message = outcome(sagemaker.search, Resource="Pipeline")
    assert code == "ValidationException"
    assert "TrainingJob" in message
