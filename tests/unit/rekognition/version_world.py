"""Custom Labels on a folder, without HTTP: real rows, objects, pictures and queue; a trainer that knows colours."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bench_fleet import BenchFleet
from colour_trainer import ColourTrainer
from job_runs import JobRuns
from label_pictures import COLOURS, box_line, label_line, plain, squares_on_grey
from relook.aws.errors import ServiceError
from relook.aws.operation import RequestContext
from relook.aws.protocol import serialise, serialise_error, validate
from relook.blobs.errors import ObjectMissing
from relook.blobs.files import Files
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Target
from relook.core.identity import Principal
from relook.services.rekognition import Budgets, Hosting, Limits, job_kinds, service
from relook.store.engine import Store
from relook.store.tables.objects import object_pieces, object_versions
from relook.vision.labelled import LabelTrainer

ACCOUNT, OTHER_ACCOUNT, REGION = "123456789012", "210987654321", "eu-central-1"
START = 1_690_556_751_958
BUCKET = "pictures"
OUTPUT = {"S3Bucket": BUCKET, "S3KeyPrefix": "out"}


class World:
    bucket = BUCKET

    def __init__(
        self,
        root: Path,
        *,
        limits: Limits | None = None,
        budgets: Budgets = Budgets(60, 120),  # noqa: B008 (frozen)
        trainer: LabelTrainer | None = None,
    ) -> None:
        self.now = START
        self.root = root
        self.store = Store.open(root / "relook.db")
        self.blobs = FolderBlobs(self.store, root / "objects", lambda: self.now)
        if not any(bucket.name == BUCKET for bucket in self.blobs.buckets.list(ACCOUNT)):
            self.blobs.buckets.create(ACCOUNT, REGION, BUCKET)
        self.artifacts = root / "artifacts"
        self.woken = 0
        self.trainer = ColourTrainer()
        self.service = service(
            store=self.store,
            blobs=self.blobs,
            hosting=Hosting(self.store, BenchFleet(), self.artifacts),
            artifacts_root=self.artifacts,
            wake_jobs=self._wake,
            limits=limits,
        )
        kinds = job_kinds(
            store=self.store,
            blobs=self.blobs,
            clock=lambda: self.now,
            artifacts_root=self.artifacts,
            data=root,
            limits=limits,
            budgets=budgets,
            trainer=trainer or self.trainer,
        )
        self.kinds = {kind.name: kind for kind in kinds}
        self.jobs = JobRuns(self.store, self.kinds, lambda: self.now)

    def _wake(self) -> None:
        self.woken += 1

    def close(self) -> None:
        self.store.close()

    def call(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> dict[str, Any]:
        """Call an operation as the gateway does: validated members in, an answer that the model can serialise out."""
        model = self.service.model.operation_model(name)
        assert validate(model.input_shape, members) == []
        principal = Principal(account, f"arn:aws:iam::{account}:root", account, "AKIDEXAMPLE")
        context = RequestContext(account, region, principal, "request", self.now, "http://127.0.0.1:8484")
        found = self.service.operations[name]
        assert found.arn(context, members)
        answer = found.handler(context, members)
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
        response = serialise(model, answer)
        assert isinstance(response.body, bytes)
        return json.loads(response.body) if response.body else {}

    def refused(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> ServiceError:
        """The error an operation answers with, which must be one that it declares."""
        with pytest.raises(ServiceError) as caught:
            self.call(name, account, region, **members)
        error = caught.value
        model = self.service.model.operation_model(name)
        assert error.code in {shape.name for shape in model.error_shapes}
        assert serialise_error(self.service.model, model, error, "request").status == error.status == 400
        return error

    def run_jobs(self) -> None:
        self.jobs.run_all()

    def put(self, key: str, data: bytes, bucket: str = BUCKET) -> str:
        self.blobs.put(ACCOUNT, bucket, key, data, "application/octet-stream")
        return f"s3://{bucket}/{key}"

    def lengthen(self, key: str, size: int) -> None:
        """Make an object of this many bytes of what it is, with zeros behind it that take no room on the disk."""
        row = select(object_versions.c.serial).where(object_versions.c.key == key.encode()).scalar_subquery()
        with self.store.write() as connection:
            pieces = object_pieces.c.version == row
            file = connection.execute(select(object_pieces.c.file).where(pieces)).scalar_one()
            connection.execute(update(object_pieces).where(pieces).values(size=size))
            connection.execute(update(object_versions).where(object_versions.c.serial == row).values(size=size))
        os.truncate(Files(self.root / "objects").path(file), size)

    def delete(self, key: str) -> None:
        self.blobs.objects.delete(ACCOUNT, BUCKET, Target(key))

    def read(self, name: str, version: str = "v1", project: str = "p", folder: str = "out/") -> str:
        """A result file."""
        return self.blobs.read(ACCOUNT, BUCKET, f"{folder}{name}-{project}-{version}.json").decode()

    def document(self, name: str, version: str = "v1", project: str = "p") -> dict[str, Any]:
        return dict(json.loads(self.read(name, version, project)))

    def lines(self, name: str, version: str = "v1") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read(name, version).splitlines()]

    def manifest(self, lines: Sequence[Mapping[str, Any] | str], key: str = "the.manifest") -> dict[str, Any]:
        """A GroundTruthManifest of these lines."""
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.put(key, "".join(f"{text}\n" for text in texts).encode())
        return {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}

    def project(self, name: str = "p") -> str:
        return str(self.call("CreateProject", ProjectName=name)["ProjectArn"])

    def dataset(self, project: str, lines: Sequence[Mapping[str, Any] | str] | None, kind: str = "TRAIN") -> str:
        """A finished dataset; empty without lines."""
        given = {} if lines is None else {"DatasetSource": self.manifest(lines, f"datasets/{kind}.manifest")}
        arn = str(self.call("CreateDataset", ProjectArn=project, DatasetType=kind, **given)["DatasetArn"])
        self.run_jobs()
        described = self.describe_dataset(arn)
        assert described["Status"] == "CREATE_COMPLETE", described["StatusMessage"]
        return arn

    def describe_dataset(self, arn: str) -> dict[str, Any]:
        return dict(self.call("DescribeDataset", DatasetArn=arn)["DatasetDescription"])

    def create(self, project: str, name: str = "v1", **more: Any) -> str:
        members = {"OutputConfig": OUTPUT, **more}
        return str(
            self.call("CreateProjectVersion", ProjectArn=project, VersionName=name, **members)["ProjectVersionArn"]
        )

    def describe(self, project: str, name: str = "v1") -> dict[str, Any]:
        found = self.call("DescribeProjectVersions", ProjectArn=project, VersionNames=[name])
        [one] = found["ProjectVersionDescriptions"]
        return dict(one)

    def train(self, project: str, name: str = "v1", **more: Any) -> dict[str, Any]:
        """The description once its job has run."""
        self.create(project, name, **more)
        self.run_jobs()
        return self.describe(project, name)

    def from_manifests(
        self,
        training: Sequence[Mapping[str, Any] | str],
        testing: Sequence[Mapping[str, Any] | str] | None = None,
        project: str = "p",
        name: str = "v1",
    ) -> dict[str, Any]:
        """A version trained on manifests; without a second one the first is split. Makes the project."""
        arn = self.project(project)
        test = {"AutoCreate": True} if testing is None else {"Assets": [self.manifest(testing, "test.manifest")]}
        given = {"TrainingData": {"Assets": [self.manifest(training, "train.manifest")]}, "TestingData": test}
        return self.train(arn, name, **given)

    def trained(self, project: str = "p", **more: Any) -> str:
        """A project with one trained classifier, v1; its ARN."""
        arn = self.project(project)
        self.dataset(arn, self.labelled(5, "red", "green"))
        found = self.train(arn, **more)
        assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
        return arn

    def picture(self, key: str, make: Callable[[], bytes]) -> str:
        """A picture that is stored unless it was already."""
        try:
            self.blobs.size(ACCOUNT, BUCKET, key)
        except ObjectMissing:
            self.put(key, make())
        return f"s3://{BUCKET}/{key}"

    def labelled(self, each: int, *names: str, prefix: str = "images/") -> list[dict[str, Any]]:
        """Lines of pictures of one colour each, which is their label."""
        return [
            label_line(self.picture(f"{prefix}{name}-{number}.png", partial(plain, COLOURS[name], number)), name)
            for number in range(each)
            for name in names
        ]

    def boxed(self, images: int, *names: str, prefix: str = "boxes/") -> list[dict[str, Any]]:
        """Lines of grey pictures with a square of each colour."""
        return [
            self.boxed_line(f"{prefix}{'+'.join(names)} on grey {number}.png", number, names)
            for number in range(images)
        ]

    def boxed_line(self, key: str, number: int, names: Sequence[str]) -> dict[str, Any]:
        squares = {name: (8 + 40 * place, 10 + number % 20, 24, 20) for place, name in enumerate(names)}
        return box_line(self.picture(key, partial(squares_on_grey, squares, number)), (128, 96), squares)


async def _awaited(answer: Any) -> Any:
    return await answer
