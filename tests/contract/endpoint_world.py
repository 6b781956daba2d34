"""Endpoints of a small Python model on a live server, through boto3."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from lookout_stage import Stage
from sagemaker_calls import ROLE, variant

BUCKET = "endpoint-models"
FAST = {"Delay": 1, "MaxAttempts": 110}
SCRIPT = """
import os, time

def model_fn(model_dir):
    with open(os.path.join(model_dir, "weights.txt")) as file:
        print("loaded", flush=True)
        return file.read().strip()

def transform_fn(model, data, content_type, accept):
    if isinstance(data, str):
        data = data.encode()
    word, _, rest = data.decode("utf-8", "replace").partition(":")
    if word == "who":
        return model, "text/plain"
    if word == "raise":
        raise ValueError(rest)
    if word == "sleep":
        print("sleeping", flush=True)
        time.sleep(float(rest))
    if word == "long":
        return b"x" * int(rest), "application/octet-stream"
    return data, accept if accept not in (None, "*/*") else "application/octet-stream"
"""


def archive(who: str, script: str = SCRIPT) -> bytes:
    """model.tar.gz with a script and a model that says `who`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (("weights.txt", who), ("code/inference.py", script)):
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


class Endpoints:
    """Models, configurations and endpoints, each called as its model is."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        existing = [each["Name"] for each in stage.s3.list_buckets()["Buckets"]]
        if BUCKET not in existing:
            stage.s3.create_bucket(Bucket=BUCKET)

    @property
    def control(self) -> Any:
        return self.stage.client("sagemaker")

    @property
    def runtime(self) -> Any:
        return self.stage.client("sagemaker-runtime")

    def model(self, name: str, *, image: str = "builtin/python", script: str = SCRIPT, **more: Any) -> None:
        key = f"{name}/model.tar.gz"
        self.stage.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(name, script))
        container = {"Image": image, "ModelDataUrl": f"s3://{BUCKET}/{key}"} | more
        self.control.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)

    def config(self, name: str, *variants: dict[str, Any], **more: Any) -> None:
        self.control.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=list(variants) or [variant(name)], **more
        )

    def create(self, name: str, config: str | None = None) -> None:
        self.control.create_endpoint(EndpointName=name, EndpointConfigName=config or name)

    def in_service(self, name: str) -> dict[str, Any]:
        self.control.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=FAST)
        return self.describe(name)

    def serve(self, name: str, **more: Any) -> dict[str, Any]:
        """Everything for an endpoint of one model."""
        self.model(name)
        self.config(name, **more)
        self.create(name)
        return self.in_service(name)

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.control.describe_endpoint(EndpointName=name))

    def delete(self, name: str) -> None:
        self.control.delete_endpoint(EndpointName=name)
        self.control.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=FAST)

    def ask(self, name: str, body: bytes = b"who", **more: Any) -> bytes:
        return bytes(self.runtime.invoke_endpoint(EndpointName=name, Body=body, **more)["Body"].read())

    def clear(self) -> None:
        """Delete every endpoint."""
        for endpoint in self.control.list_endpoints(MaxResults=100)["Endpoints"]:
            if endpoint["EndpointStatus"] != "Deleting":
                self.delete(endpoint["EndpointName"])
