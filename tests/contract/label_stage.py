"""Custom Labels on the live server: a client for one region, and the ways to projects and datasets through the API."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from lookout_stage import BUCKET, Stage, until

_numbers = itertools.count()


class LabelStage:
    """Quotas count by region: a region of its own keeps a test module's projects to itself."""

    def __init__(self, stage: Stage, region: str) -> None:
        self.stage = stage
        self.region = region

    @property
    def client(self) -> Any:
        return self.stage.client("rekognition", self.region)

    @property
    def unchecked(self) -> Any:
        """Sends what botocore would refuse itself."""
        return self.stage.client("rekognition", self.region, checked=False)

    @property
    def s3(self) -> Any:
        return self.stage.s3

    def project(self, name: str | None = None) -> str:
        """A new project; its ARN."""
        return str(self.client.create_project(ProjectName=name or f"project-{next(_numbers)}")["ProjectArn"])

    def upload(self, lines: Iterable[Mapping[str, Any] | str | bytes], **more: Any) -> dict[str, Any]:
        """Put a manifest into BUCKET; the DatasetSource that names it."""
        return self.upload_bytes(manifest(lines), **more)

    def upload_bytes(self, body: bytes) -> dict[str, Any]:
        key = f"manifests/{self.region}/{next(_numbers)}.manifest"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}

    def create(self, project: str, source: Mapping[str, Any] | None = None, kind: str = "TRAIN") -> str:
        """Create a dataset, empty without a source; its ARN."""
        given = {} if source is None else {"DatasetSource": source}
        return str(self.client.create_dataset(ProjectArn=project, DatasetType=kind, **given)["DatasetArn"])

    def dataset(self, lines: Iterable[Mapping[str, Any] | str | bytes], project: str | None = None) -> str:
        """A complete train dataset; its ARN."""
        arn = self.create(project or self.project(), self.upload(lines))
        found = self.settled(arn)
        assert found["Status"] == "CREATE_COMPLETE", found
        return arn

    def describe(self, dataset: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
        return found

    def settled(self, dataset: str) -> dict[str, Any]:
        return until(partial(self.describe, dataset), lambda found: not found["Status"].endswith("IN_PROGRESS"))

    def update(self, dataset: str, lines: Iterable[Mapping[str, Any] | str | bytes]) -> dict[str, Any]:
        """The description once the update has ended."""
        self.client.update_dataset_entries(DatasetArn=dataset, Changes={"GroundTruth": manifest(lines)})
        return self.settled(dataset)

    def entries(self, dataset: str, **filters: Any) -> list[dict[str, Any]]:
        """All of them, through botocore's paginator."""
        pages = self.client.get_paginator("list_dataset_entries").paginate(DatasetArn=dataset, **filters)
        return [json.loads(line) for page in pages for line in page["DatasetEntries"]]

    def names(self, dataset: str, **filters: Any) -> list[str]:
        """The last parts of the source-refs of the entries."""
        return [line["source-ref"].rsplit("/", 1)[1] for line in self.entries(dataset, **filters)]


def manifest(lines: Iterable[Mapping[str, Any] | str | bytes]) -> bytes:
    return b"".join(_bytes(line) + b"\n" for line in lines)


def _bytes(line: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    return (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode()


def code(answer: Mapping[str, Any]) -> tuple[str, int]:
    """What `refused` returned, as its error code and HTTP status."""
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
