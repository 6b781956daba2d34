"""Drawn pictures in S3 and versions trained on them through the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from label_stage import LabelStage
from lookout_stage import BUCKET, until

from label_pictures import COLOURS, box_line, label_line, plain, squares_on_grey

_LONGEST = 1200
"""Seconds; longer than the training of any test may be."""
SOON = {"Delay": 1, "MaxAttempts": _LONGEST}


class VersionStage(LabelStage):
    """`LabelStage` with versions."""

    bucket = BUCKET

    def put(self, key: str, data: bytes, bucket: str = BUCKET) -> str:
        self.s3.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"

    def labelled(self, each: int, *names: str, prefix: str = "colours") -> list[dict[str, Any]]:
        """Lines of pictures of one colour each, which is their label."""
        return [
            label_line(self.put(f"{prefix}/{name}-{number}.png", plain(COLOURS[name], number)), name)
            for number in range(each)
            for name in names
        ]

    def boxed(self, images: int, name: str, prefix: str = "squares") -> list[dict[str, Any]]:
        """Lines of grey pictures with a square of this colour."""
        squares = [{name: (8 + 7 * number, 10 + 3 * number, 24, 20)} for number in range(images)]
        return [
            box_line(self.put(f"{prefix}/{number}.png", squares_on_grey(square, number)), (128, 96), square)
            for number, square in enumerate(squares)
        ]

    def legacy(self, lines: Sequence[Mapping[str, Any] | str]) -> dict[str, Any]:
        """TrainingData and TestingData that are to be split."""
        return {"TrainingData": {"Assets": [self.upload(lines)]}, "TestingData": {"AutoCreate": True}}

    def create_version(self, project: str, name: str = "v1", **more: Any) -> str:
        output = {"S3Bucket": BUCKET, "S3KeyPrefix": f"results/{self.region}"}
        members = {"ProjectArn": project, "VersionName": name, "OutputConfig": output, **more}
        return str(self.client.create_project_version(**members)["ProjectVersionArn"])

    def describe_version(self, project: str, name: str = "v1") -> dict[str, Any]:
        answer = self.client.describe_project_versions(ProjectArn=project, VersionNames=[name])
        [found] = answer["ProjectVersionDescriptions"]
        return dict(found)

    def settled_version(self, project: str, name: str = "v1") -> dict[str, Any]:
        read = partial(self.describe_version, project, name)
        busy = ("TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "STARTING", "STOPPING")
        return until(read, lambda found: found["Status"] not in busy, _LONGEST)

    def wait_until_trained(self, project: str, name: str = "v1") -> None:
        """As scripts do, but sooner."""
        waiter = self.client.get_waiter("project_version_training_completed")
        waiter.wait(ProjectArn=project, VersionNames=[name], WaiterConfig=SOON)

    def trained(self, name: str | None = None) -> str:
        """A project with a real classifier of two colours, v1; its ARN."""
        project = self.project(name)
        self.create_version(project, **self.legacy(self.labelled(10, "red", "green")))
        found = self.settled_version(project)
        assert found["Status"] == "TRAINING_COMPLETED", found["StatusMessage"]
        return project

    def read(self, s3_object: Mapping[str, Any]) -> Any:
        """A JSON file that a description names."""
        return json.loads(self.text(s3_object))

    def text(self, s3_object: Mapping[str, Any]) -> str:
        where = s3_object["S3Object"]
        found: bytes = self.s3.get_object(Bucket=where["Bucket"], Key=where["Name"])["Body"].read()
        return found.decode()

    def detect(self, version: str, image: bytes, **more: Any) -> list[dict[str, Any]]:
        answer = self.client.detect_custom_labels(ProjectVersionArn=version, Image={"Bytes": image}, **more)
        return list(answer["CustomLabels"])
