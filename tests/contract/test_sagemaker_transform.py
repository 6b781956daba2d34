"""Transform jobs through real boto3, over containers that really run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from endpoint_world import archive
from lookout_stage import Stage, outcome
from sagemaker_calls import ROLE, arn

from container_image import IMAGE
from podman_service import PodmanService
from relook.testing import LiveServer

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")

BUCKET = "transforms"
FAST = {"Delay": 1, "MaxAttempts": 110}
SCRIPT = """
import json, os, time

def model_fn(model_dir):
    return os.environ.get("WORD", "none")

def transform_fn(model, data, content_type, accept):
    if b"bad" in (data if isinstance(data, bytes) else data.encode()):
        raise ValueError("this one is bad")
    time.sleep(float(os.environ.get("PAUSE", "0")))
    if content_type == "text/csv":
        return "".join(f"{len(line.split(','))}\\n" for line in data.splitlines()), "text/csv"
    if content_type == "application/jsonlines":
        text = data if isinstance(data, str) else data.decode()
        found = [json.loads(line) for line in text.splitlines()]
        return "".join(json.dumps({"score": sum(each)}) + "\\n" for each in found), "application/jsonlines"
    return json.dumps({"bytes": len(data), "word": model}), "application/json"
"""


class Transforms:
    """Jobs from `<name>/in` to `<name>/out` of one bucket; each bucket keeps versions, which show what came twice."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        if BUCKET not in [each["Name"] for each in stage.s3.list_buckets()["Buckets"]]:
            stage.s3.create_bucket(Bucket=BUCKET)
            stage.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    @property
    def control(self) -> Any:
        return self.stage.client("sagemaker")

    def model(self, name: str, **environment: str) -> None:
        key = f"{name}/model.tar.gz"
        self.stage.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(name, SCRIPT))
        container = {"Image": "builtin/python", "ModelDataUrl": f"s3://{BUCKET}/{key}", "Environment": environment}
        self.control.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)

    def put(self, name: str, **objects: bytes) -> None:
        for key, data in objects.items():
            self.stage.s3.put_object(Bucket=BUCKET, Key=f"{name}/in/{key.replace('__', '/')}", Body=data)

    def create(self, name: str, **more: Any) -> str:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/in"} | more.pop("S3DataSource", {})
        answer = self.control.create_transform_job(
            TransformJobName=name,
            ModelName=name,
            TransformInput={"DataSource": {"S3DataSource": source}} | more.pop("TransformInput", {}),
            TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{name}/out/"} | more.pop("TransformOutput", {}),
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **more,
        )
        return str(answer["TransformJobArn"])

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.control.describe_transform_job(TransformJobName=name))

    def wait(self, name: str) -> dict[str, Any]:
        waiter = self.control.get_waiter("transform_job_completed_or_stopped")
        waiter.wait(TransformJobName=name, WaiterConfig=FAST)
        return self.describe(name)

    def outputs(self, name: str) -> dict[str, bytes]:
        """The content of every version there is, by the key below `out/`; a key that is there twice fails."""
        get = self.stage.s3.get_object
        return {key.partition("/out/")[2]: get(Bucket=BUCKET, Key=key)["Body"].read() for key in self.written(name)}

    def written(self, name: str) -> list[str]:
        """The keys of these."""
        found = self.stage.s3.list_object_versions(Bucket=BUCKET, Prefix=f"{name}/out/")
        keys = [each["Key"] for each in found.get("Versions", [])]
        assert len(keys) == len(set(keys))
        assert "DeleteMarkers" not in found
        return keys


@pytest.fixture
def transforms(stage: Stage) -> Transforms:
    return Transforms(stage)


def eventually(holds: Callable[[], bool]) -> None:
    """For what another process does in its own time."""
    pause = threading.Event()
    for _ in range(2000):
        if holds():
            return
        pause.wait(0.03)
    raise AssertionError("it did not come to hold")


def test_images(transforms: Transforms) -> None:
    transforms.model("images")
    transforms.put("images", a=b"\xff\xd8 one", sub__b=b"\xff\xd8 the other", empty=b"")
    made = transforms.create(
        "images", TransformInput={"ContentType": "image/jpeg"}, Environment={"WORD": "job"}, Tags=[]
    )
    assert made == arn("transform-job", "images")
    found = transforms.wait("images")
    assert found["TransformJobStatus"] == "Completed"
    assert found["CreationTime"] <= found["TransformStartTime"] <= found["TransformEndTime"]
    assert {key: json.loads(value) for key, value in transforms.outputs("images").items()} == {
        "a.out": {"bytes": 6, "word": "job"},
        "sub/b.out": {"bytes": 12, "word": "job"},
    }
    listed = transforms.control.list_transform_jobs(NameContains="images")["TransformJobSummaries"]
    assert [(each["TransformJobName"], each["TransformJobStatus"]) for each in listed] == [("images", "Completed")]


def test_json_lines_joined(transforms: Transforms) -> None:
    transforms.model("lines")
    transforms.put("lines", x=b'{"id":"p","v":[1,2]}\n{"id":"q","v":[3]}\n')
    transforms.create(
        "lines",
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=2,
        TransformInput={"ContentType": "application/jsonlines", "SplitType": "Line"},
        TransformOutput={"Accept": "application/jsonlines", "AssembleWith": "Line"},
        DataProcessing={
            "InputFilter": "$.v",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    )
    assert transforms.wait("lines")["TransformJobStatus"] == "Completed"
    assert transforms.outputs("lines") == {
        "x.out": b'{"id":"p","SageMakerOutput":{"score":3}}\n{"id":"q","SageMakerOutput":{"score":3}}\n'
    }


def test_csv_filtered_and_joined(transforms: Transforms) -> None:
    transforms.model("csv")
    transforms.put("csv", x=b"id1,a,b\nid2,c\n")
    transforms.create(
        "csv",
        TransformInput={"ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"Accept": "text/csv", "AssembleWith": "Line"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    assert transforms.wait("csv")["TransformJobStatus"] == "Completed"
    assert transforms.outputs("csv") == {"x.out": b"id1,2\nid2,1\n"}


def test_a_manifest(transforms: Transforms) -> None:
    transforms.model("listed")
    transforms.put("listed", a=b"1", b__c=b"2", left_out=b"3")
    manifest = json.dumps([{"prefix": f"s3://{BUCKET}/listed/in/"}, "b/c", "a"])
    transforms.stage.s3.put_object(Bucket=BUCKET, Key="listed/manifest", Body=manifest)
    transforms.create("listed", S3DataSource={"S3DataType": "ManifestFile", "S3Uri": f"s3://{BUCKET}/listed/manifest"})
    assert transforms.wait("listed")["TransformJobStatus"] == "Completed"
    assert sorted(transforms.outputs("listed")) == ["a.out", "b/c.out"]


def test_one_object_fails(transforms: Transforms) -> None:
    transforms.model("partly")
    transforms.put("partly", a=b"fine", b=b"bad", c=b"fine")
    transforms.create("partly", ModelClientConfig={"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 60})
    with pytest.raises(WaiterError, match="terminal failure"):
        transforms.wait("partly")
    found = transforms.describe("partly")
    assert found["TransformJobStatus"] == "Failed"
    assert f"1 of 3 input objects failed; the first: s3://{BUCKET}/partly/in/b: " in found["FailureReason"]
    assert "this one is bad" in found["FailureReason"]
    assert sorted(transforms.outputs("partly")) == ["a.out", "c.out"]


def test_a_stopped_job_leaves_nothing(transforms: Transforms) -> None:
    transforms.model("stopped", PAUSE="0.2")
    transforms.put("stopped", **{f"{number:03}": b"x" for number in range(200)})
    transforms.create("stopped")
    eventually(lambda: len(transforms.outputs("stopped")) > 0)
    transforms.control.stop_transform_job(TransformJobName="stopped")
    assert transforms.describe("stopped")["TransformJobStatus"] in ("Stopping", "Stopped")
    assert transforms.wait("stopped")["TransformJobStatus"] == "Stopped"
    assert transforms.outputs("stopped") == {}
    rejected = "The request was rejected because the transform job is in status Stopped."
    again = outcome(transforms.control.stop_transform_job, TransformJobName="stopped")
    assert again == ("ValidationException", 400, rejected)


def test_what_is_refused(transforms: Transforms) -> None:
    describe = transforms.control.describe_transform_job
    missing = ("ValidationException", 400, "Could not find requested job with name: nobody")
    assert outcome(describe, TransformJobName="nobody") == missing
    model = ("ValidationException", 400, f'Could not find model "{arn("model", "nobody")}".')
    assert outcome(partial(transforms.create, "nobody")) == model
    transforms.model("refused")
    code, status, message = outcome(partial(transforms.create, "refused"), DataProcessing={"InputFilter": "$.a["})
    assert (code, status) == ("ValidationException", 400)
    assert message == (
        "DataProcessing.InputFilter: '$.a[' is no path that can be used: expected a number, a slice such as 1:5, or a "
        "name in quotes at character 5"
    )
    too_many = outcome(partial(transforms.create, "refused"), Environment={f"V{number}": "x" for number in range(17)})
    assert too_many[:2] == ("ValidationException", 400)
    transforms.put("refused", x=b"x")
    transforms.create("refused")
    assert outcome(partial(transforms.create, "refused"))[0] == "ResourceInUse"
    transforms.wait("refused")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with LiveServer(tmp_path / "data") as server:
        made = Stage(server)
        yield made
        made.close()


def kill_job(own: Stage) -> None:
    """kill -9 of the process that runs the one job there is."""
    found: list[int] = []

    def runs() -> bool:
        """It has told its number, too, which it does when it has begun."""
        with closing(sqlite3.connect(own.server.data / "relook.sqlite3")) as rows:
            asked = "SELECT pid FROM jobs WHERE state = 'RUNNING' AND pid IS NOT NULL"
            found[:] = [pid for (pid,) in rows.execute(asked)]
        return bool(found)

    eventually(runs)
    (pid,) = found
    os.kill(pid, signal.SIGKILL)


def kill_server(own: Stage) -> None:
    own.close()
    own.server.kill()
    own.server.start()
    own._session = own._new_session()


def test_what_is_killed_goes_on_where_it_was(own: Stage) -> None:
    transforms = Transforms(own)
    transforms.model("killed", PAUSE="0.2")
    transforms.put("killed", **{f"{number:03}": b"x" * number for number in range(1, 61)})
    transforms.create("killed")
    for least, kill in ((3, kill_server), (15, Stage.restart), (27, kill_job), (40, kill_server)):
        eventually(lambda: len(transforms.written("killed")) >= least)  # noqa: B023 (called at once)
        kill(own)
        assert transforms.describe("killed")["TransformJobStatus"] == "InProgress"
    assert transforms.wait("killed")["TransformJobStatus"] == "Completed"
    found = {key: json.loads(value)["bytes"] for key, value in transforms.outputs("killed").items()}
    assert found == {f"{number:03}.out": number for number in range(1, 61)}


def test_a_container_image_in_an_engine(podman: PodmanService, tmp_path: Path) -> None:
    environment = {"RELOOK_CONTAINER_ENGINE": podman.setting}
    with LiveServer(tmp_path / "data", environment=environment) as server:
        stage = Stage(server)
        transforms = Transforms(stage)
        container = {"Image": IMAGE}
        transforms.control.create_model(
            ModelName="engine", ExecutionRoleArn=ROLE, PrimaryContainer=container, EnableNetworkIsolation=True
        )
        transforms.put("engine", a=b"one", sub__b=b"two")
        transforms.create("engine", MaxConcurrentTransforms=2)
        assert transforms.wait("engine")["TransformJobStatus"] == "Completed"
        assert transforms.outputs("engine") == {"a.out": b"one", "sub/b.out": b"two"}
        stage.close()
