"""SageMaker on a full disk: what fails says why, what was acknowledged waits for room, and then goes on."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from crash_disk import DISK_BYTES, fill, resize
from crash_processes import wait_until
from crash_world import World

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")
BUCKET = "disk"
ROLE = "arn:aws:iam::000000000000:role/service-role/SageMaker"
LARGE = 3 * DISK_BYTES
SCRIPT = """
import time

def model_fn(model_dir):
    return None

def transform_fn(model, data, content_type, accept):
    word, _, rest = data.decode().partition(":")
    print("asked", data.decode(), flush=True)
    if word == "slow":
        time.sleep(float(rest))
    if word == "long":
        return b"x" * int(rest), "text/plain"
    return data, "text/plain"
"""
TRAIN = """
import os
with open("/opt/ml/model/weights", "wb") as file:
    file.write(os.urandom(60_000_000))
print("trained", flush=True)
"""


@pytest.fixture
def world(disk: Path) -> Iterator[World]:
    made = World(disk)
    made.start()
    made.s3.create_bucket(Bucket=BUCKET)
    yield made
    made.live.stop()


def model(world: World, name: str, zeros: int = 0) -> None:
    """A model whose archive unpacks to so many bytes, and little more."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, data in (("code/inference.py", SCRIPT.encode()), ("zeros", bytes(zeros))):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    world.s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=packed.getvalue())
    container = {"Image": "builtin/python", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}
    world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)


def config(world: World, name: str, model: str, **more: Any) -> None:
    variant = {"VariantName": "v", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    world.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **more)


def endpoint(world: World, name: str, config: str | None = None) -> dict[str, Any]:
    """Created, with its description once it is at rest."""
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config or name)

    def read() -> dict[str, Any]:
        return dict(world.sagemaker.describe_endpoint(EndpointName=name))

    wait_until(lambda: read()["EndpointStatus"] != "Creating", 60, f"{name} at rest\n{world.live.tail()}")
    return read()


def stored(world: World, prefix: str) -> dict[str, bytes]:
    found = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {each["Key"]: world.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in found}


def said(world: World, words: str) -> None:
    wait_until(lambda: words in world.live.log.read_text("utf-8", "replace"), 60, words)


def refused(call: Any, **members: Any) -> int:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


def serving(world: World) -> None:
    """Endpoint `now`, whose invocations are captured, and `later`, which is asynchronous."""
    model(world, "m")
    config(
        world,
        "now",
        "m",
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{BUCKET}/captured",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/plain"]},
        },
    )
    places = {"S3OutputPath": f"s3://{BUCKET}/answers", "S3FailurePath": f"s3://{BUCKET}/failures"}
    config(world, "later", "m", AsyncInferenceConfig={"OutputConfig": places})
    for name in ("now", "later"):
        assert endpoint(world, name)["EndpointStatus"] == "InService"


def logged(world: World, group: str) -> list[str]:
    logs = world.client("logs")
    with suppress(logs.exceptions.ResourceNotFoundException):
        found = logs.filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{group}")
        return [each["message"] for each in found["events"]]
    return []


def test_endpoints_on_a_full_disk_go_on_and_lose_nothing(world: World, disk: Path) -> None:
    serving(world)
    runtime = world.client("sagemaker-runtime")
    slow, quick = {"EndpointName": "later", "Body": b"slow:10"}, {"EndpointName": "now", "Body": b"full"}
    waiting = runtime.invoke_endpoint_async(**slow)
    wait_until(lambda: "asked slow:10" in logged(world, "later"), 30, "begun")
    plug = fill(disk)
    assert runtime.invoke_endpoint(**quick, ContentType="text/plain")["Body"].read() == b"full"
    assert refused(runtime.invoke_endpoint_async, **slow) == 507
    assert refused(world.sagemaker.create_endpoint, EndpointName="more", EndpointConfigName="now") == 507
    for words in ("asynchronous invocations wait: ", "data capture of now: 1 records wait: ", "log lines wait: "):
        said(world, words)
    assert stored(world, "answers/") == stored(world, "captured/") == stored(world, "failures/") == {}
    plug.unlink()
    key = waiting["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    wait_until(lambda: stored(world, "answers/") == {key: b"slow:10"}, 60, "the answer")
    wait_until(lambda: bool(stored(world, "captured/")), 30, "the capture")
    (record,) = stored(world, "captured/").values()
    assert json.loads(record)["captureData"]["endpointInput"]["data"] == "full"
    wait_until(lambda: "asked full" in logged(world, "now"), 30, "the lines")
    assert logged(world, "later").count("asked slow:10") == 1  # the model was not asked again
    assert stored(world, "failures/") == {}
    assert endpoint(world, "more", "now")["EndpointStatus"] == "InService"


def test_a_model_without_room_fails_its_endpoint_with_the_reason(world: World, disk: Path) -> None:
    before = shutil.disk_usage(disk).used
    model(world, "large", zeros=DISK_BYTES)
    config(world, "large", "large")
    found = endpoint(world, "large")
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].endswith("cannot be written to disk: the disk is full: free some space")
    assert shutil.disk_usage(disk).used - before < 10_000_000
    world.sagemaker.delete_endpoint(EndpointName="large")
    world.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName="large", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    resize(disk, LARGE)
    assert endpoint(world, "large")["EndpointStatus"] == "InService"


def transform(world: World, name: str, model: str) -> None:
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}}}
    world.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput=source,
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{name}/"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )


def ends_well(world: World, describe: Any, status: str, **name: str) -> None:
    """Though it has met a full disk, which it has to wait for."""
    said(world, "the disk is full")
    assert describe(**name)[status] == "InProgress"
    resize(world.data, LARGE)
    wait_until(lambda: describe(**name)[status] == "Completed", 150, f"{describe(**name)}\n{world.live.tail()}")


@pytest.mark.slow  # what met a full disk is tried again after half a minute
def test_a_transform_waits_for_room_for_its_outputs(world: World) -> None:
    model(world, "m")
    lengths = {"a": 10, "b": 60_000_000, "c": 60_000_000, "d": 20}
    for name, length in lengths.items():
        world.s3.put_object(Bucket=BUCKET, Key=f"in/{name}", Body=b"long:%d" % length)
    transform(world, "outputs", "m")
    describe = world.sagemaker.describe_transform_job
    ends_well(world, describe, "TransformJobStatus", TransformJobName="outputs")
    outputs = stored(world, "outputs/")
    assert {key: len(data) for key, data in outputs.items()} == {
        f"outputs/{name}.out": length for name, length in lengths.items()
    }


@pytest.mark.slow
def test_a_transform_waits_for_room_for_its_model(world: World) -> None:
    model(world, "large", zeros=DISK_BYTES)
    world.s3.put_object(Bucket=BUCKET, Key="in/a", Body=b"long:10")
    transform(world, "model", "large")
    describe = world.sagemaker.describe_transform_job
    ends_well(world, describe, "TransformJobStatus", TransformJobName="model")
    assert stored(world, "model/") == {"model/a.out": b"x" * 10}


@pytest.mark.slow
def test_a_training_waits_for_room_for_its_model(world: World) -> None:
    world.s3.put_object(Bucket=BUCKET, Key="code/program.py", Body=TRAIN.encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/code/"}
    world.sagemaker.create_training_job(
        TrainingJobName="trained",
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": "builtin/python",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3"],
            "ContainerArguments": ["/opt/ml/input/data/code/program.py"],
        },
        InputDataConfig=[{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )
    describe = world.sagemaker.describe_training_job
    ends_well(world, describe, "TrainingJobStatus", TrainingJobName="trained")
    ((key, archive),) = stored(world, "out/").items()
    assert key == "out/trained/output/model.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        assert [(each.name, each.size) for each in tar] == [("weights", 60_000_000)]
