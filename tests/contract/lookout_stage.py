"""A live server with real clients of it, and the ways to bring projects, datasets and models about through the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from lookout_pictures import Picture, pictures

from relook.testing import LiveServer

BUCKET = "inspection"
ACCOUNT = "000000000000"
REGION = "us-east-1"
CLASSIFIER, SEGMENTER = "plates", "masks"
PREFIX = "evaluation/out_"
LONGEST = 600.0
"""Seconds; what takes longer is stuck."""

T = TypeVar("T")


class Stage:
    """`server` and the installed boto3 for it.

    Today's finds the restored description through the session's own search path; one that still has its own uses that.
    """

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self._clients: dict[tuple[str, ...], Any] = {}
        self._session = self._new_session()

    @property
    def vision(self) -> Any:
        return self.client("lookoutvision")

    @property
    def s3(self) -> Any:
        return self.client("s3")

    def client(self, service: str, region: str = REGION, *, checked: bool = True) -> Any:
        """A client that never retries; `checked` False sends what botocore would refuse itself."""
        key = (service, region, str(checked))
        if key not in self._clients:
            config = Config(parameter_validation=checked, retries={"total_max_attempts": 1}, max_pool_connections=64)
            self._clients[key] = self._session.client(
                service, region_name=region, endpoint_url=self.server.endpoint, config=config
            )
        return self._clients[key]

    def restart(self, *, killed: bool = False) -> None:
        """Another process on the same folder; it takes another port, so clients are made anew."""
        self.close()
        if killed:
            self.server.kill()
        else:
            assert self.server.stop() == 0
        self.server.start()
        self._session = self._new_session()

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _new_session(self) -> boto3.Session:
        session = botocore.session.Session()
        if "lookoutvision" not in session.get_available_services():
            session = botocore.session.Session()
            session.set_config_variable("data_path", self.server.variables["AWS_DATA_PATH"])
        return boto3.Session(botocore_session=session, **self.server.credentials)

    def upload(self, chosen: Iterable[Picture] = ()) -> None:
        """Put these pictures, with their masks, into BUCKET."""
        for picture in chosen:
            self.s3.put_object(Bucket=BUCKET, Key=picture.key, Body=picture.png())
            if picture.anomalous:
                self.s3.put_object(Bucket=BUCKET, Key=picture.mask_key, Body=picture.mask())

    def manifest(self, key: str, lines: Iterable[str]) -> dict[str, Any]:
        """Put a manifest into BUCKET; the DatasetSource that names it."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(lines).encode())
        return {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": key}}}

    def project(self, name: str, region: str = REGION) -> str:
        self.client("lookoutvision", region).create_project(ProjectName=name)
        return name

    def dataset(self, project: str, lines: Iterable[str], kind: str = "train") -> dict[str, Any]:
        """Create a dataset by manifest; its description once it is at rest."""
        source = self.manifest(f"manifests/{project}-{kind}", lines)
        self.vision.create_dataset(ProjectName=project, DatasetType=kind, DatasetSource=source)
        return self.settled_dataset(project, kind)

    def describe_dataset(self, project: str, kind: str = "train") -> dict[str, Any]:
        found: dict[str, Any] = self.vision.describe_dataset(ProjectName=project, DatasetType=kind)
        return found["DatasetDescription"]

    def settled_dataset(self, project: str, kind: str = "train") -> dict[str, Any]:
        read = partial(self.describe_dataset, project, kind)
        return until(read, lambda found: not found["Status"].endswith("IN_PROGRESS"))

    def describe_model(self, project: str, version: str = "1") -> dict[str, Any]:
        found: dict[str, Any] = self.vision.describe_model(ProjectName=project, ModelVersion=version)
        return found["ModelDescription"]

    def create_model(self, project: str, **more: Any) -> dict[str, Any]:
        location = {"S3Location": {"Bucket": BUCKET, "Prefix": PREFIX}}
        answer = self.vision.create_model(ProjectName=project, OutputConfig=location, **more)
        return answer["ModelMetadata"]

    def settled_model(self, project: str, version: str = "1") -> dict[str, Any]:
        """The description once nothing is under way."""
        busy = ("TRAINING", "STARTING_HOSTING", "STOPPING_HOSTING")
        return until(partial(self.describe_model, project, version), lambda found: found["Status"] not in busy)

    def train(self, project: str, *, masked: bool = False, **more: Any) -> dict[str, Any]:
        """A project with a model trained on the smallest set the API accepts."""
        chosen = pictures(20, 20 if masked else 10)
        self.project(project)
        made = self.dataset(project, [picture.line(BUCKET, masked=masked) for picture in chosen])
        assert made["Status"] == "CREATE_COMPLETE", made
        version = self.create_model(project, **more)["ModelVersion"]
        return self.settled_model(project, version)

    def host(self, project: str, version: str = "1", **units: int) -> dict[str, Any]:
        if self.describe_model(project, version)["Status"] != "HOSTED":
            wanted = {"MinInferenceUnits": 1} | units
            self.vision.start_model(ProjectName=project, ModelVersion=version, **wanted)
        found = self.settled_model(project, version)
        assert found["Status"] == "HOSTED", found
        return found

    def unhost(self, project: str, version: str = "1") -> dict[str, Any]:
        if self.describe_model(project, version)["Status"] != "TRAINED":
            self.vision.stop_model(ProjectName=project, ModelVersion=version)
        found = self.settled_model(project, version)
        assert found["Status"] == "TRAINED", found
        return found

    def detect(self, project: str, picture: Picture, version: str = "1") -> dict[str, Any]:
        answer = self.vision.detect_anomalies(
            ProjectName=project, ModelVersion=version, Body=picture.png(), ContentType="image/png"
        )
        return answer["DetectAnomalyResult"]


def stage_on(server: LiveServer) -> Stage:
    """A stage whose bucket holds every picture that `train` uses."""
    stage = Stage(server)
    stage.s3.create_bucket(Bucket=BUCKET)
    stage.upload(pictures(20, 20))
    return stage


def until(read: Callable[[], T], done: Callable[[T], bool], seconds: float = LONGEST) -> T:
    """Poll, as clients of this API do, until `done`; the assertion that fails at the deadline shows what was read."""
    deadline = time.monotonic() + seconds
    while not done(found := read()):
        assert time.monotonic() < deadline, f"after {seconds:g} s still {found}"
        time.sleep(0.05)
    return found


def refused(call: Callable[..., Any], **members: Any) -> dict[str, Any]:
    """Make a call that must be refused: the parsed answer, with its `Error`, its members and its metadata."""
    try:
        answer = call(**members)
    except ClientError as error:
        return dict(error.response)
    raise AssertionError(f"it was not refused: {answer}")


def outcome(call: Callable[..., Any], **members: Any) -> tuple[str, int, str]:
    """Code, status and message of a call that must be refused."""
    found = refused(call, **members)
    return found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Message"]


def pages(client: Any, name: str, result: str, size: int, **members: Any) -> list[list[Any]]:
    """What a paginator gives, page by page."""
    paginator = client.get_paginator(name)
    return [page[result] for page in paginator.paginate(**members, PaginationConfig={"PageSize": size})]


def project_arn(name: str, region: str = REGION) -> str:
    return f"arn:aws:lookoutvision:{region}:{ACCOUNT}:project/{name}"


def model_arn(name: str, version: str = "1", region: str = REGION) -> str:
    return f"arn:aws:lookoutvision:{region}:{ACCOUNT}:model/{name}/{version}"
