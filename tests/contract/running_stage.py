"""A live server whose projects have versions that were trained elsewhere: tiny models put into its data folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from relook.core.custom_labels.states import VERSION_MESSAGES, VersionStatus
from relook.core.names import Scope
from relook.datafolder import DataFolder
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Files, NewVersion, Outcome, Output
from relook.testing import LiveServer
from relook.vision import label_artifact
from tiny_models import LABELS, THRESHOLDS, write_detector

BUCKET = "labelled"
ACCOUNT, REGION = "000000000000", "us-east-1"
LONGEST = 600.0
"""Seconds; what takes longer is stuck."""
BUSY = ("STARTING", "STOPPING")


class RunningStage:
    """`server` and clients of it that never retry."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.artifacts: dict[str, Path] = {}
        """Of each version, by its ARN."""
        self._connect()
        self.s3.create_bucket(Bucket=BUCKET)

    def _connect(self) -> None:
        session = boto3.Session(**self.server.credentials)
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
        made = partial(session.client, endpoint_url=self.server.endpoint, config=config)
        self.rekognition, self.s3 = made("rekognition"), made("s3")

    def close(self) -> None:
        self.rekognition.close()
        self.s3.close()

    def restart(self, *, killed: bool = False) -> None:
        """Another process on the same folder."""
        self.close()
        if killed:
            self.server.kill()
        else:
            assert self.server.stop() == 0
        self.server.start()
        self._connect()

    def trained(self, project: str, write: Callable[[Path], Path] = write_detector) -> str:
        """A new project's version v1, of which `write` makes the artifact; its ARN."""
        self.rekognition.create_project(ProjectName=project)
        now = time.time_ns() // 1_000_000
        status = VersionStatus.TRAINING_COMPLETED
        folder = DataFolder(self.server.data)
        store = Store.open(folder.database)
        try:
            with store.write() as connection:
                home = projects.named(connection, Scope(ACCOUNT, REGION), project)
                assert home is not None
                output = Output(BUCKET, "out")
                new = NewVersion(home.id, "v1", VersionStatus.TRAINING_IN_PROGRESS, "", output, 1, auto_split=True)
                made = versions.create(connection, new, now)
                artifact = write(folder.artifacts / f"{made.artifact_id}.tiny")
                task, thresholds = label_artifact.read(artifact)[1].task, dict(zip(LABELS, THRESHOLDS, strict=True))
                outcome = Outcome(artifact.name, task, thresholds, 1.0, 60, now)
                assert versions.finished(connection, made.id, status, VERSION_MESSAGES[status], outcome, Files())
        finally:
            store.close()
        self.artifacts[str(made.name)] = artifact
        return str(made.name)

    def project_arn(self, arn: str) -> str:
        [found] = self.rekognition.describe_projects(ProjectNames=[arn.split("/")[1]])["ProjectDescriptions"]
        return str(found["ProjectArn"])

    def describe(self, arn: str) -> dict[str, Any]:
        answer = self.rekognition.describe_project_versions(ProjectArn=self.project_arn(arn), VersionNames=["v1"])
        [found] = answer["ProjectVersionDescriptions"]
        assert found["ProjectVersionArn"] == arn
        return dict(found)

    def settled(self, arn: str) -> dict[str, Any]:
        """The description once nothing is under way."""
        deadline = time.monotonic() + LONGEST
        while (found := self.describe(arn))["Status"] in BUSY:
            assert time.monotonic() < deadline, f"after {LONGEST:g} s still {found}"
            time.sleep(0.02)
        return found

    def run(self, arn: str, **units: int) -> str:
        self.rekognition.start_project_version(ProjectVersionArn=arn, **({"MinInferenceUnits": 1} | units))
        found = self.settled(arn)
        assert found["Status"] == "RUNNING", found
        return arn

    def rest(self, arn: str) -> dict[str, Any]:
        self.rekognition.stop_project_version(ProjectVersionArn=arn)
        found = self.settled(arn)
        assert found["Status"] == "STOPPED", found
        return found

    def detect(self, arn: str, image: bytes | dict[str, Any], **members: Any) -> list[dict[str, Any]]:
        given = image if isinstance(image, dict) else {"Bytes": image}
        answer = self.rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=given, **members)
        return list(answer["CustomLabels"])

    def refused(self, operation: str, **members: Any) -> tuple[str, int, str]:
        """Code, status and message of a call that must be refused."""
        try:
            answer = getattr(self.rekognition, operation)(**members)
        except ClientError as error:
            found = error.response
            return found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Message"]
        raise AssertionError(f"it was not refused: {answer}")


@contextmanager
def running_stage(folder: Path) -> Iterator[RunningStage]:
    with LiveServer(folder / "data") as server:
        stage = RunningStage(server)
        try:
            yield stage
        finally:
            stage.close()
