"""The calls a client makes, with boto3 and nothing else: every function here is one step of a real program."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, UnknownServiceError

from relook.demo.errors import ServiceError

POLL_SECONDS = 0.4
Watch = Callable[[str], None]
"""Called with a resource's StatusMessage at every look."""


@dataclass(frozen=True, slots=True)
class Clients:
    """S3 and Lookout for Vision at one endpoint."""

    s3: Any
    vision: Any
    endpoint: str
    region: str


def connect(environment: Mapping[str, str]) -> Clients:
    """Clients as `eval "$(relook env)"` would make them, without touching this process's environment."""
    core = botocore.session.Session()
    if "AWS_DATA_PATH" in environment:
        core.get_component("data_loader").search_paths.insert(0, environment["AWS_DATA_PATH"])
    session = boto3.Session(
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
        botocore_session=core,
    )
    endpoint = environment["AWS_ENDPOINT_URL"]
    # A proxy meant for the outside must not stand between this process and a server on the same machine.
    local = "//127.0.0.1" in endpoint or "//localhost" in endpoint
    config = Config(retries={"mode": "standard"}, read_timeout=120, proxies={} if local else None)
    try:
        s3 = session.client("s3", endpoint_url=endpoint, config=config)
        vision = session.client("lookoutvision", endpoint_url=endpoint, config=config)
    except UnknownServiceError:
        raise ServiceError(
            'this boto3 has no lookoutvision, and AWS_DATA_PATH names no folder that has it; run: eval "$(relook env)"'
        ) from None
    except BotoCoreError as error:
        raise ServiceError(f"no client could be made for {endpoint}: {error}") from None
    return Clients(s3, vision, endpoint, session.region_name)


@contextmanager
def named(step: str) -> Iterator[None]:
    """Say which step failed when a call does."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        raise ServiceError(f"{step}: {details.get('Code')}: {details.get('Message')}") from None
    except BotoCoreError as error:
        raise ServiceError(f"{step}: {error}") from None


def create_bucket(clients: Clients, bucket: str) -> None:
    with named(f"creating bucket {bucket}"):
        if clients.region == "us-east-1":
            clients.s3.create_bucket(Bucket=bucket)
        else:
            where = {"LocationConstraint": clients.region}
            clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)


def put(clients: Clients, bucket: str, key: str, data: bytes, content_type: str) -> str:
    """Store an object; its s3:// address."""
    with named(f"uploading {key}"):
        clients.s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)
    return f"s3://{bucket}/{key}"


def get_json(clients: Clients, location: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object at {"Bucket":..,"Key":..}."""
    with named(f"reading {location['Key']}"):
        body = clients.s3.get_object(Bucket=location["Bucket"], Key=location["Key"])["Body"].read()
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def create_project(clients: Clients, project: str) -> None:
    with named(f"creating project {project}"):
        clients.vision.create_project(ProjectName=project)


def create_dataset(clients: Clients, project: str, kind: str, bucket: str, key: str) -> dict[str, int]:
    """Create a dataset from a manifest in S3 and wait until it is there; its ImageStats."""
    with named(f"creating the {kind} dataset"):
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": key}}}
        clients.vision.create_dataset(ProjectName=project, DatasetType=kind, DatasetSource=source)

    def look() -> dict[str, Any]:
        with named(f"describing the {kind} dataset"):
            answer = clients.vision.describe_dataset(ProjectName=project, DatasetType=kind)
        return dict(answer["DatasetDescription"])

    found = _until(look, {"CREATE_COMPLETE"}, {"CREATE_IN_PROGRESS"}, f"the {kind} dataset", lambda message: None)
    return dict(found["ImageStats"])


def train(clients: Clients, project: str, bucket: str, prefix: str, watch: Watch) -> dict[str, Any]:
    """Train a model and wait for it; its ModelDescription."""
    with named("starting the training"):
        output = {"S3Location": {"Bucket": bucket, "Prefix": prefix}}
        started = clients.vision.create_model(ProjectName=project, OutputConfig=output)
    version = started["ModelMetadata"]["ModelVersion"]
    return _model_until(clients, project, version, {"TRAINED"}, {"TRAINING"}, watch)


def host(clients: Clients, project: str, version: str) -> None:
    """Start a model and wait until it is up."""
    with named("starting the model"):
        clients.vision.start_model(ProjectName=project, ModelVersion=version, MinInferenceUnits=1)
    _model_until(clients, project, version, {"HOSTED"}, {"STARTING_HOSTING", "TRAINED"}, lambda message: None)


def stop(clients: Clients, project: str, version: str) -> None:
    """Stop a model and wait until it is down."""
    with named("stopping the model"):
        clients.vision.stop_model(ProjectName=project, ModelVersion=version)
    _model_until(clients, project, version, {"TRAINED"}, {"STOPPING_HOSTING", "HOSTED"}, lambda message: None)


def detect(clients: Clients, project: str, version: str, image: bytes, content_type: str) -> dict[str, Any]:
    """DetectAnomalyResult for one image."""
    with named("detecting anomalies"):
        answer = clients.vision.detect_anomalies(
            ProjectName=project, ModelVersion=version, Body=image, ContentType=content_type
        )
    return dict(answer["DetectAnomalyResult"])


def _model_until(
    clients: Clients, project: str, version: str, good: set[str], waiting: set[str], watch: Watch
) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        with named(f"describing model {version}"):
            answer = clients.vision.describe_model(ProjectName=project, ModelVersion=version)
        return dict(answer["ModelDescription"])

    return _until(look, good, waiting, f"model {version}", watch)


def _until(
    look: Callable[[], dict[str, Any]], good: set[str], waiting: set[str], what: str, watch: Watch
) -> dict[str, Any]:
    """Poll as clients of this API have to (it has no waiters); any other status is the end, with its message."""
    while True:
        found = look()
        status, message = found["Status"], found.get("StatusMessage", "")
        watch(message)
        if status in good:
            return found
        if status not in waiting:
            raise ServiceError(f"{what} is {status}: {message}")
        time.sleep(POLL_SECONDS)
