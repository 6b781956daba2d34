"""How busy a batch transform keeps its container: one that takes a fixed time for each request, and says when."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

import boto3

from bench.bed import Bed
from bench.results import Figure, Result, Table
from bench.wire import BenchFailed

BUSY = 90.0
LEAST_PAUSE = 0.01
"""Seconds: of a request that takes less, its way in and out of the container alone is more than a tenth."""
BUCKET = "bench-transform"
OBJECT_BYTES = 100_000
_PATIENCE = {"Delay": 1, "MaxAttempts": 600}
_ROLE = "arn:aws:iam::000000000000:role/bench"
_SCRIPT = """
import json, os, time

PAUSE, SPIN = float(os.environ["PAUSE"]), os.environ.get("SPIN")

def model_fn(model_dir):
    return None

def transform_fn(model, data, content_type, accept):
    began = time.monotonic()
    if SPIN:
        while time.monotonic() < began + PAUSE:
            pass
    else:
        time.sleep(PAUSE)
    return json.dumps([began, time.monotonic()]) + "\\n", "application/jsonlines"
"""


@dataclass(frozen=True, slots=True)
class _Case:
    """`pause` in seconds; `lines` is how many records there are in one object, None for objects that are not split."""

    name: str
    what: str
    pause: float
    spin: bool = False
    lines: int | None = None

    @property
    def settings(self) -> dict[str, str]:
        return {"PAUSE": str(self.pause), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"} | ({"SPIN": "1"} if self.spin else {})


CASES = (
    _Case("wait20", "100 kB objects, 20 ms each, waiting", 0.02),
    _Case("spin20", "100 kB objects, 20 ms each, computing", 0.02, spin=True),
    _Case("wait5", "100 kB objects, 5 ms each, waiting", 0.005),
    _Case("lines20", "lines of one object, one by one, 20 ms each, waiting", 0.02, lines=1000),
)


def measure(bed: Bed) -> Result:
    """One request at a time: with more, the container's own scheduling would be measured."""
    server = bed.server
    session = boto3.Session(**server.credentials)
    s3, control = (session.client(name, endpoint_url=server.endpoint) for name in ("s3", "sagemaker"))
    s3.create_bucket(Bucket=BUCKET)
    count = 60 if bed.quick else 500
    for number in range(count):
        s3.put_object(Bucket=BUCKET, Key=f"objects/{number:04}", Body=bytes(OBJECT_BYTES))
    rows: list[list[str | float]] = []
    for case in CASES:
        requests = count if case.lines is None else min(case.lines, 2 * count)
        spans = _spans(s3, control, case, requests)
        rows.append([case.what, requests, *_busy(spans)])
    figures = [
        Figure(f"container busy: {case.what}", float(row[2]), "%", at_least=BUSY if case.pause >= LEAST_PAUSE else None)
        for case, row in zip(CASES, rows, strict=True)
    ]
    notes = [
        "Busy: the time between the container's own first beginning and last end that it spent on requests. What is "
        "left is the way of an answer out of the container and of the next request into it; objects are read and "
        "outputs made durable meanwhile.",
        "Requests of 5 ms have no target: their way in and out of the container is more than a tenth of that.",
        "The container is the built-in Python runtime with one worker, so its HTTP server counts as not busy.",
    ]
    table = Table(
        "Batch transform, one request at a time", ("what", "requests", "busy, %", "ms per request, idle"), rows
    )
    return Result("Batch transform", figures, [table], notes)


def _spans(s3: Any, control: Any, case: _Case, requests: int) -> list[tuple[float, float]]:
    """When the container began and ended each request, in seconds of its clock."""
    s3.put_object(Bucket=BUCKET, Key=f"{case.name}/model.tar.gz", Body=_archive())
    container = {
        "Image": "builtin/python",
        "ModelDataUrl": f"s3://{BUCKET}/{case.name}/model.tar.gz",
        "Environment": case.settings,
    }
    control.create_model(ModelName=case.name, ExecutionRoleArn=_ROLE, PrimaryContainer=container)
    split = {}
    source = "objects/"
    if case.lines is not None:
        source = f"{case.name}/lines"
        s3.put_object(Bucket=BUCKET, Key=source, Body=b"".join(b"%d\n" % number for number in range(requests)))
        split = {"SplitType": "Line"}
    control.create_transform_job(
        TransformJobName=case.name,
        ModelName=case.name,
        MaxConcurrentTransforms=1,
        BatchStrategy="SingleRecord",
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{source}"}},
            "ContentType": "application/octet-stream",
            **split,
        },
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{case.name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    waiter = control.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=case.name, WaiterConfig=_PATIENCE)
    answers = _answers(s3, f"{case.name}/out/")
    if len(answers) != requests:
        raise BenchFailed(f"{case.name}: {len(answers)} answers to {requests} requests")
    return sorted((began, ended) for began, ended in answers)


def _answers(s3: Any, prefix: str) -> list[list[float]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    bodies = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def _busy(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """Percent of the time, and milliseconds of each request's share that are not."""
    whole = spans[-1][1] - spans[0][0]
    busy = sum(ended - began for began, ended in spans)
    return round(100 * busy / whole, 1), round(1000 * (whole - busy) / (len(spans) - 1), 2)


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        data = _SCRIPT.encode()
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
