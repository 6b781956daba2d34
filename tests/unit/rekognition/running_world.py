"""Model versions to start, stop and ask, without HTTP: real rows, objects and controller; a stand-in fleet."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bench_fleet import BenchFleet
from relook.aws.errors import ServiceError
from relook.aws.models import botocore_model
from relook.aws.operation import RequestContext, Service
from relook.aws.protocol import serialise, serialise_error, validate
from relook.blobs.folder import FolderBlobs
from relook.core.custom_labels.states import VersionStatus
from relook.core.identity import Principal
from relook.core.names import Scope
from relook.services.rekognition.detection import Detection
from relook.services.rekognition.hosting import HostingOperations
from relook.services.rekognition.hosting_control import Hosting
from relook.services.rekognition.limits import Limits
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Files, NewVersion, Outcome, Output, Version
from relook.store.tables.rekognition import versions as version_table
from relook.vision.labelled import FoundLabel, LabelPrediction

ACCOUNT, OTHER_ACCOUNT, REGION = "123456789012", "210987654321", "eu-central-1"
NOW = 1_690_556_751_958
BUCKET = "pictures"
CAT_OR_DOG = LabelPrediction(640, 480, (FoundLabel("cat", 0.75, 0.5), FoundLabel("dog", 0.25, 0.5)))


class RunningWorld:
    """Holds a trained version, `arn`, of a project of its own, and makes more."""

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.store = Store.open(root / "relook.db")
        self.blobs = FolderBlobs(self.store, root / "objects", lambda: NOW)
        self.blobs.buckets.create(ACCOUNT, REGION, BUCKET)
        self.artifacts = root / "artifacts"
        self.fleet = BenchFleet()
        self.fleet.answer = CAT_OR_DOG
        self.hosting = Hosting(self.store, self.fleet, self.artifacts)
        nouns = (
            HostingOperations(self.store, self.hosting, limits or Limits()),
            Detection(self.store, self.blobs, self.hosting),
        )
        self.service = Service(botocore_model("rekognition"), nouns)
        self.arn = self.trained("pets")

    def trained(self, project: str, status: VersionStatus = VersionStatus.TRAINING_COMPLETED) -> str:
        """A version in a project of its own; its ARN."""
        outcome = Outcome("folder", "single-label", {"cat": 0.5, "dog": 0.5}, 1.0, 60, NOW)
        with self.store.write() as connection:
            home = projects.create(connection, Scope(ACCOUNT, REGION), project, NOW)
            new = NewVersion(
                home.id, "v1", VersionStatus.TRAINING_IN_PROGRESS, "", Output(BUCKET, "out"), 1, auto_split=True
            )
            made = versions.create(connection, new, NOW)
            done = VersionStatus.TRAINING_COMPLETED
            assert versions.finished(connection, made.id, done, "The model is ready to run.", outcome, Files())
        self.force(str(made.name), status)
        return str(made.name)

    def force(self, arn: str, status: VersionStatus, **columns: Any) -> None:
        """Put a version into a status, however it came there."""
        with self.store.write() as connection:
            found = self._find(connection, arn)
            changed = update(version_table).where(version_table.c.id == found.id).values(status=status, **columns)
            connection.execute(changed)

    def version(self, arn: str | None = None) -> Version:
        with self.store.read() as connection:
            return self._find(connection, arn or self.arn)

    def _find(self, connection: Any, arn: str) -> Version:
        found = [one for one in versions.in_status(connection, list(VersionStatus)) if str(one.name) == arn]
        assert len(found) == 1, f"{arn}: {found}"
        return found[0]

    async def call(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> dict[str, Any]:
        """Call an operation as the gateway does: validated members in, an answer that the model can serialise out."""
        model = self.service.model.operation_model(name)
        assert validate(model.input_shape, members) == []
        principal = Principal(account, f"arn:aws:iam::{account}:root", account, "AKIDEXAMPLE")
        context = RequestContext(account, region, principal, "request", NOW, "http://127.0.0.1:8484")
        found = self.service.operations[name]
        assert found.arn(context, members) == members["ProjectVersionArn"]
        if inspect.iscoroutinefunction(found.handler):
            answer = await found.handler(context, members)
        else:
            answer = await asyncio.to_thread(found.handler, context, members)
        response = serialise(model, answer)
        assert isinstance(response.body, bytes)
        return dict(json.loads(response.body))

    async def refused(self, name: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> ServiceError:
        """The error an operation answers with, which must be one that it declares."""
        with pytest.raises(ServiceError) as caught:
            await self.call(name, account, region, **members)
        error = caught.value
        model = self.service.model.operation_model(name)
        assert error.code in {shape.name for shape in model.error_shapes}
        assert error.status == (500 if error.code in ("InternalServerError", "ThrottlingException") else 400)
        assert serialise_error(self.service.model, model, error, "request").status == error.status
        return error

    async def start(self, arn: str | None = None, **units: int) -> dict[str, Any]:
        members = {"MinInferenceUnits": 1} | units
        return await self.call("StartProjectVersion", ProjectVersionArn=arn or self.arn, **members)

    async def stop(self, arn: str | None = None) -> dict[str, Any]:
        return await self.call("StopProjectVersion", ProjectVersionArn=arn or self.arn)

    async def deployed(self, arn: str | None = None) -> None:
        await until(lambda: (arn or self.arn) in self.fleet.deployed)

    async def becomes(self, status: VersionStatus, arn: str | None = None) -> Version:
        await until(lambda: self.version(arn).status is status)
        return self.version(arn)

    async def running(self, arn: str | None = None, **units: int) -> None:
        """Start it and let its units come up."""
        name = arn or self.arn
        await self.start(name, **units)
        await self.deployed(name)
        self.fleet.ready[name]()
        await self.becomes(VersionStatus.RUNNING, name)
        await until(lambda: self.hosting.serving(ACCOUNT, REGION, name))

    async def detect(self, image: dict[str, Any] | None = None, **members: Any) -> list[dict[str, Any]]:
        given = {"ProjectVersionArn": self.arn, "Image": image or {"Bytes": b"image"}} | members
        answer = await self.call("DetectCustomLabels", **given)
        assert set(answer) == {"CustomLabels"}
        return list(answer["CustomLabels"])


async def until(true: Callable[[], bool]) -> None:
    """Let the controller work; pytest's own time limit ends a wait that never comes true."""
    while not true():
        await asyncio.sleep(0.001)


def play(world: RunningWorld, scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario while the controller works."""

    async def run() -> None:
        await world.hosting.start()
        try:
            await scenario()
        finally:
            await world.hosting.close()

    asyncio.run(run())
