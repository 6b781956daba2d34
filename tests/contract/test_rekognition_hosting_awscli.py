"""`aws rekognition` starts, waits for, asks and stops a version, with nothing but what `relook env` exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aws_clis import VERSIONS, cli
from running_stage import BUCKET, RunningStage, running_stage

from tiny_models import LABELS, picture

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStage]:
    with running_stage(tmp_path_factory.mktemp("labels")) as made:
        yield made


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_by_the_command_line(stage: RunningStage, version: str, tmp_path: Path) -> None:
    aws = partial(cli(version, stage.server.variables, tmp_path), "rekognition")
    arn = stage.trained(f"cli-{version}")
    which = ["--project-version-arn", arn]
    units = ["--min-inference-units", "1", "--max-inference-units", "2"]
    assert json.loads(aws("start-project-version", *which, *units)) == {"Status": "STARTING"}
    stage.settled(arn)  # the waiter below looks every 30 s: its first look shall find it running
    aws("wait", "project-version-running", "--project-arn", stage.project_arn(arn), "--version-names", "v1")

    (tmp_path / "a b.png").write_bytes(picture(red=(1, 2), blue=(3, 0)))
    stage.s3.put_object(Bucket=BUCKET, Key="a b.png", Body=picture(red=(1, 2), blue=(3, 0)))
    stored = json.dumps({"S3Object": {"Bucket": BUCKET, "Name": "a b.png"}})
    [found] = json.loads(aws("detect-custom-labels", *which, "--image", stored))["CustomLabels"]
    assert (found["Name"], found["Geometry"]["BoundingBox"]["Top"]) == (LABELS[0], 0.5)
    sent = ["--image-bytes", "fileb://a b.png"]
    everything = json.loads(aws("detect-custom-labels", *which, *sent, "--min-confidence", "0"))["CustomLabels"]
    assert {one["Name"] for one in everything} == set(LABELS)
    [first] = json.loads(aws("detect-custom-labels", *which, *sent, "--min-confidence", "0", "--max-results", "1"))[
        "CustomLabels"
    ]
    assert first == everything[0]
    said = aws("start-project-version", *which, *units, succeeds=False)
    assert "(ResourceInUseException)" in said
    assert json.loads(aws("stop-project-version", *which)) == {"Status": "STOPPING"}
    assert stage.settled(arn)["Status"] == "STOPPED"
    assert "(ResourceNotReadyException)" in aws("detect-custom-labels", *which, *sent, succeeds=False)
