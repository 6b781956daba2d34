"""Trainings with algorithms: the built-in one for defect detection, and one of one's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL, Picture, pictures
from lookout_stage import BUCKET, Stage, outcome
from sagemaker_calls import ROLE
from training_calls import ALGORITHM, FAST, OUT, channel, members_of, ready, request, sandboxed, settled

ATTRIBUTES = ["source-ref", "anomaly-label-metadata", "anomaly-label"]
MASKS = ["anomaly-mask-ref-metadata", "anomaly-mask-ref"]


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    return ready(stage)


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
