"""Training jobs through boto3: in the sandbox, and with the built-in algorithm."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL, Picture, pictures
from lookout_stage import BUCKET, Stage, outcome, refused, until
from sagemaker_calls import ROLE, arn

ALGORITHM = "arn:aws:sagemaker:us-east-1:865070037744:algorithm/lfv-public-algorithm-2025-02-11-04c9f8ab"
FAST = {"Delay": 1, "MaxAttempts": 110}
OUT = "trained"
ATTRIBUTES = ["source-ref", "anomaly-label-metadata", "anomaly-label"]
MASKS = ["anomaly-mask-ref-metadata", "anomaly-mask-ref"]
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
sandboxed = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    stage.s3.create_bucket(Bucket=OUT)
    stage.s3.put_object(Bucket=OUT, Key="in/numbers.txt", Body=b"1\n2\n3\n")
    return stage.client("sagemaker")


def request(name: str, **more: Any) -> dict[str, Any]:
    """CreateTrainingJob of a container that needs nothing but what is installed."""
    specification = {"TrainingImage": "builtin/python", "TrainingInputMode": "File"}
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": specification | more.pop("AlgorithmSpecification", {}),
        "OutputDataConfig": {"S3OutputPath": f"s3://{OUT}/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    } | more


def running(stage: Stage, name: str, code: str, **more: Any) -> dict[str, Any]:
    """The same for a container that runs this code, which comes in by a channel of its own."""
    stage.s3.put_object(Bucket=OUT, Key=f"code/{name}/program.py", Body=code.encode())
    channels = [channel(f"s3://{OUT}/code/{name}/", "code"), *more.pop("InputDataConfig", ())]
    program = {
        "ContainerEntrypoint": ["python3"],
        "ContainerArguments": ["-u", "/opt/ml/input/data/code/program.py"],
        "MetricDefinitions": more.pop("MetricDefinitions", []),
    }
    return request(name, AlgorithmSpecification=program, InputDataConfig=channels, **more)


def channel(uri: str, name: str = "train", **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri} | more.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | more


def settled(sagemaker: Any, name: str) -> dict[str, Any]:
    read = partial(sagemaker.describe_training_job, TrainingJobName=name)
    return dict(until(read, lambda found: found["TrainingJobStatus"] not in ("InProgress", "Stopping")))


def members_of(stage: Stage, key: str) -> dict[str, bytes]:
    data = stage.s3.get_object(Bucket=OUT, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}  # type: ignore[union-attr]


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


def uploaded(stage: Stage, name: str, chosen: list[Picture], masked: bool) -> str:
    """A manifest in which every line has every attribute, as the notebooks write them; its address."""
    lines = []
    for picture in chosen:
        line = json.loads(picture.line(BUCKET, masked=masked))
        if masked and not picture.anomalous:
            example = json.loads(Picture(500, True).line(BUCKET, masked=True))
            line |= {each: example[each] for each in MASKS}
        lines.append(json.dumps(line))
    stage.manifest(name, lines)
    return f"s3://{BUCKET}/{name}"


@pytest.fixture(scope="module", params=["classification", "segmentation-robust"])
def trained(request: pytest.FixtureRequest, stage: Stage, sagemaker: Any) -> dict[str, Any]:
    """A job of the public algorithm, asked for as the notebooks do."""
    kind: str = request.param
    masked = kind.startswith("segmentation")
    names = ATTRIBUTES + (MASKS if masked else [])
    manifest = uploaded(stage, f"manifests/sagemaker-{kind}", pictures(20, 20 if masked else 10), masked)
    piped = channel(
        manifest,
        "training",
        source={
            "S3DataType": "AugmentedManifestFile",
            "S3DataDistributionType": "ShardedByS3Key",
            "AttributeNames": names,
        },
        CompressionType="None",
        RecordWrapperType="RecordIO",
        InputMode="Pipe",
    )
    sagemaker.create_training_job(
        TrainingJobName=f"defects-{kind}",
        AlgorithmSpecification={
            "AlgorithmName": ALGORITHM,
            "TrainingInputMode": "File",
            "EnableSageMakerMetricsTimeSeries": False,
        },
        RoleArn=ROLE,
        HyperParameters={
            "ModelType": kind,
            "TrainingInputDataAttributeNames": ",".join(names),
            "TestInputDataAttributeNames": ",".join(names),
        },
        InputDataConfig=[piped],
        OutputDataConfig={"S3OutputPath": f"s3://{OUT}/models/"},
        ResourceConfig={"InstanceType": "ml.g4dn.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 20},
        EnableNetworkIsolation=True,
        StoppingCondition={"MaxRuntimeInSeconds": 7200},
    )
    return settled(sagemaker, f"defects-{kind}")


def test_the_algorithm_trains_on_an_augmented_manifest(stage: Stage, trained: dict[str, Any]) -> None:
    assert trained["TrainingJobStatus"] == "Completed", trained.get("FailureReason")
    name = trained["TrainingJobName"]
    assert trained["AlgorithmSpecification"]["AlgorithmName"] == ALGORITHM
    assert trained["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{OUT}/models/{name}/output/model.tar.gz"
    members = members_of(stage, f"models/{name}/output/model.tar.gz")
    assert sorted(members) == ["model.json", "model.onnx"]
    kind = name.removeprefix("defects-").removesuffix("-robust")
    assert json.loads(members["model.json"])["task"] == kind
    metrics = {one["MetricName"]: one["Value"] for one in trained["FinalMetricDataList"]}
    assert metrics["test:f1"] == 1.0
    assert ("test:mean_iou" in metrics) == (kind == "segmentation")


@sandboxed
def test_what_it_trained_is_served(stage: Stage, sagemaker: Any, trained: dict[str, Any]) -> None:
    name = trained["TrainingJobName"]
    package = sagemaker.create_model_package(
        ModelPackageName=name,
        SourceAlgorithmSpecification={
            "SourceAlgorithms": [
                {"AlgorithmName": ALGORITHM, "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
            ]
        },
    )["ModelPackageArn"]
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, Containers=[{"ModelPackageName": package}], EnableNetworkIsolation=True
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=FAST)
    runtime = stage.client("sagemaker-runtime")
    for picture in (UNSEEN_NORMAL, UNSEEN_ANOMALY):
        answer = runtime.invoke_endpoint(EndpointName=name, ContentType="application/octet-stream", Body=picture.png())
        found = json.loads(answer["Body"].read())
        assert found["Source"] == {"Type": "direct"}
        assert found["IsAnomalous"] is picture.anomalous
        assert 0 <= found["Confidence"] <= 1
    sagemaker.delete_endpoint(EndpointName=name)


def test_hyperparameters_the_algorithm_does_not_know_are_refused(sagemaker: Any) -> None:
    by_name = {"AlgorithmName": ALGORITHM, "TrainingInputMode": "Pipe"}
    base = request("wrong", ResourceConfig={"InstanceType": "ml.g4dn.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1})
    base["AlgorithmSpecification"] = by_name
    for given, shown in (({"ModelType": "detection"}, "ModelType"), ({"Epochs": "3"}, "Epochs")):
        code, _, message = outcome(sagemaker.create_training_job, **base | {"HyperParameters": given})
        assert (code, shown in message) == ("ValidationException", True), message
    code, _, message = outcome(sagemaker.create_training_job, **base)
    assert "needs the channel training" in message


@sandboxed
def test_an_algorithm_of_ones_own_trains_with_its_defaults_and_metrics(stage: Stage, sagemaker: Any) -> None:
    sagemaker.create_algorithm(
        AlgorithmName="counter",
        TrainingSpecification={
            "TrainingImage": "builtin/python",
            "SupportedTrainingInstanceTypes": ["ml.m5.large"],
            "SupportedHyperParameters": [
                {"Name": "step", "Type": "Integer", "DefaultValue": "7", "IsRequired": False},
                {"Name": "sagemaker_program", "Type": "FreeText", "DefaultValue": "count.py", "IsRequired": False},
            ],
            "TrainingChannels": [
                {
                    "Name": "code",
                    "IsRequired": True,
                    "SupportedContentTypes": ["text/x-python"],
                    "SupportedInputModes": ["File"],
                }
            ],
            "MetricDefinitions": [{"Name": "step", "Regex": r"step=(\d+)"}],
        },
    )
    stage.s3.put_object(Bucket=OUT, Key="counter/count.py", Body=b"import sys\nprint('step=%s' % sys.argv[-1])")
    asked = request("counted", InputDataConfig=[channel(f"s3://{OUT}/counter/", "code")])
    asked["AlgorithmSpecification"] = {"AlgorithmName": "counter", "TrainingInputMode": "File"}
    sagemaker.create_training_job(**asked)
    found = settled(sagemaker, "counted")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert found["HyperParameters"] == {"step": "7", "sagemaker_program": "count.py"}
    assert [(one["MetricName"], one["Value"]) for one in found["FinalMetricDataList"]] == [("step", 7.0)]
    logs = stage.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="counted/")
    (stream,) = [each["logStreamName"] for each in streams["logStreams"]]
    assert stream.startswith("counted/algo-1-")
    events = logs.get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream, startFromHead=True)[
        "events"
    ]
    assert "step=7" in [each["message"] for each in events]
