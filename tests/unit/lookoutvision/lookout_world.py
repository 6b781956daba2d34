"""A whole Lookout for Vision service on a folder, without HTTP: real rows, objects and queue; a stand-in fleet."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench_fleet import BenchFleet
from job_runs import JobRuns
from perfect_trainer import PerfectTrainer
from relook.aws.errors import ServiceError
from relook.aws.operation import Answer, RequestContext
from relook.aws.protocol import serialise, serialise_error, validate
from relook.blobs.errors import ObjectMissing
from relook.blobs.folder import FolderBlobs
from relook.core.datasets import DatasetLimits
from relook.core.identity import Principal
from relook.services.lookoutvision import Hosting, Limits, job_kinds, service
from relook.store.engine import Store

ACCOUNT, OTHER_ACCOUNT, REGION = "123456789012", "210987654321", "eu-central-1"
START = 1_600_000_000_123
HOURS = 3_600_000
BUCKET = "pictures"
OUTPUT = {"S3Location": {"Bucket": BUCKET, "Prefix": "out/"}}


class Incoming:
    """An IncomingBody over chunks; `told` is whether its length was announced."""

    def __init__(self, *chunks: bytes, told: bool = True) -> None:
        self._chunks = chunks
        self.content_length = sum(map(len, chunks)) if told else None
        self.trailers: dict[str, str] = {}
        self.read_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.read_bytes += len(chunk)
            yield chunk

    async def read(self, limit: int) -> bytes:
        raise AssertionError("the handler keeps its own limit, to word its own error")


class World:
    def __init__(
        self, root: Path, *, limits: Limits | None = None, dataset_limits: DatasetLimits | None = None
    ) -> None:
        self.now = START
        self.root = root
        self.store = Store.open(root / "relook.db")
        self.blobs = FolderBlobs(self.store, root / "objects", lambda: self.now)
        if not any(bucket.name == BUCKET for bucket in self.blobs.buckets.list(ACCOUNT)):
            self.blobs.buckets.create(ACCOUNT, REGION, BUCKET)
        self.artifacts = root / "artifacts"
        self.fleet = BenchFleet()
        self.hosting = Hosting(self.store, self.fleet, self.artifacts)
        self.woken = 0
        self.service = service(
            store=self.store,
            blobs=self.blobs,
            hosting=self.hosting,
            artifacts_root=self.artifacts,
            wake_jobs=self._wake,
            limits=limits,
        )
        self.trainer = PerfectTrainer()
        self.kinds = {
            kind.name: kind
            for kind in job_kinds(
                store=self.store,
                blobs=self.blobs,
                clock=lambda: self.now,
                artifacts_root=self.artifacts,
                data=root,
                dataset_limits=dataset_limits,
                trainer=self.trainer,
            )
        }
        self.jobs = JobRuns(self.store, self.kinds, lambda: self.now)

    def _wake(self) -> None:
        self.woken += 1

    def close(self) -> None:
        self.store.close()

    def context(self, account: str = ACCOUNT, region: str = REGION) -> RequestContext:
        principal = Principal(account, f"arn:aws:iam::{account}:root", account, "AKIDEXAMPLE")
        return RequestContext(account, region, principal, "request", self.now, "http://127.0.0.1:8484")

    async def acall(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> dict[str, Any]:
        """Call an operation as the gateway does: validated members in, an answer that the model can serialise out."""
        model = self.service.model.operation_model(name)
        assert validate(model.input_shape, members) == []
        context = self.context(account, region)
        found = self.service.operations[name]
        assert found.arn(context, members)
        answer = found.handler(context, members)
        if inspect.isawaitable(answer):
            answer = await answer
        response = serialise(model, answer.members if isinstance(answer, Answer) else answer)
        assert isinstance(response.body, bytes)
        return json.loads(response.body) if response.body else {}

    def call(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> dict[str, Any]:
        return asyncio.run(self.acall(name, account, region, **members))

    async def arefused(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> ServiceError:
        """The error an operation answers with, which must be one that it declares, with all its required members."""
        with pytest.raises(ServiceError) as caught:
            await self.acall(name, account, region, **members)
        error = caught.value
        model = self.service.model.operation_model(name)
        shape = next(one for one in model.error_shapes if one.name == error.code)
        assert error.status == shape.metadata["error"]["httpStatusCode"]
        assert set(shape.required_members) <= {"Message", *error.members}
        assert serialise_error(self.service.model, model, error, "request").status == error.status
        return error

    def refused(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> ServiceError:
        return asyncio.run(self.arefused(name, account, region, **members))

    def run_jobs(self) -> None:
        """Run what is queued."""
        self.jobs.run_all()

    def put(self, key: str, data: bytes, bucket: str = BUCKET) -> str:
        self.blobs.put(ACCOUNT, bucket, key, data, "application/octet-stream")
        return f"s3://{bucket}/{key}"

    def picture(self, key: str) -> str:
        """An image of its own content, stored unless it was already."""
        try:
            self.blobs.size(ACCOUNT, BUCKET, key)
        except ObjectMissing:
            self.put(key, f"image {key}".encode())
        return f"s3://{BUCKET}/{key}"

    def line(self, key: str, label: str | None, mask: Mapping[str, str] | None = None, **metadata: Any) -> str:
        """A manifest line for an image, which is stored; `mask` maps class names to colours."""
        entry: dict[str, Any] = {"source-ref": self.picture(key)}
        if label is not None:
            about = {"class-name": label, "human-annotated": "yes", "type": "groundtruth/image-classification"}
            entry |= {"anomaly-label": 0, "anomaly-label-metadata": about | metadata}
        if mask is not None:
            colours = {
                str(i): {"class-name": name, "hex-color": colour} for i, (name, colour) in enumerate(mask.items())
            }
            about = {"internal-color-map": colours, "type": "groundtruth/semantic-segmentation"}
            entry["anomaly-mask-ref"] = self.picture("mask.png")
            entry["anomaly-mask-ref-metadata"] = about | {"human-annotated": "yes"}
        return json.dumps(entry)

    def lines(self, normal: int, anomaly: int, prefix: str = "", mask: Mapping[str, str] | None = None) -> list[str]:
        normals = [self.line(f"{prefix}normal-{i}.jpg", "normal") for i in range(normal)]
        return normals + [self.line(f"{prefix}anomaly-{i}.jpg", "anomaly", mask) for i in range(anomaly)]

    def source(self, lines: Sequence[str], key: str = "the.manifest") -> dict[str, Any]:
        """A DatasetSource with these lines."""
        self.put(key, "\n".join(lines).encode())
        return {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": key}}}

    def project(self, name: str = "p") -> None:
        self.call("CreateProject", ProjectName=name)

    def dataset(self, lines: Sequence[str], kind: str = "train", project: str = "p") -> None:
        """A finished dataset."""
        source = self.source(lines, f"{project}-{kind}.manifest")
        self.call("CreateDataset", ProjectName=project, DatasetType=kind, DatasetSource=source)
        self.run_jobs()
        described = self.describe_dataset(kind, project)
        assert described["Status"] == "CREATE_COMPLETE", described["StatusMessage"]

    def describe_dataset(self, kind: str = "train", project: str = "p") -> dict[str, Any]:
        answer = self.call("DescribeDataset", ProjectName=project, DatasetType=kind)
        return dict(answer["DatasetDescription"])

    def describe_model(self, version: str = "1", project: str = "p") -> dict[str, Any]:
        return dict(self.call("DescribeModel", ProjectName=project, ModelVersion=version)["ModelDescription"])

    def trained(self, project: str = "p", *, mask: Mapping[str, str] | None = None) -> None:
        """A project with one trained model, version 1."""
        self.project(project)
        self.dataset(self.lines(20, 20, mask=mask), project=project)
        self.call("CreateModel", ProjectName=project, OutputConfig=OUTPUT)
        self.run_jobs()
        assert self.describe_model(project=project)["Status"] == "TRAINED"
