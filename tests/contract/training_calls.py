"""Training jobs as the contract tests ask for them."""

from __future__ import annotations

import io
import shutil
import tarfile
from functools import partial
from typing import Any

import pytest
from lookout_stage import Stage, until
from sagemaker_calls import ROLE

ALGORITHM = "arn:aws:sagemaker:us-east-1:865070037744:algorithm/lfv-public-algorithm-2025-02-11-04c9f8ab"
FAST = {"Delay": 1, "MaxAttempts": 110}
OUT = "trained"
sandboxed = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


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


def ready(stage: Stage) -> Any:
    """A client of SageMaker, and the bucket OUT with some input in it."""
    if OUT not in [each["Name"] for each in stage.s3.list_buckets()["Buckets"]]:
        stage.s3.create_bucket(Bucket=OUT)
        stage.s3.put_object(Bucket=OUT, Key="in/numbers.txt", Body=b"1\n2\n3\n")
    return stage.client("sagemaker")
