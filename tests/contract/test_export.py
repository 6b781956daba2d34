"""A model of Custom Labels, exported and hosted as SageMaker hosts models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from endpoint_world import BUCKET, Endpoints
from label_versions import VersionStage
from lookout_stage import Stage
from running_stage import RunningStage
from sagemaker_calls import ROLE
from training_calls import sandboxed

from label_pictures import GREEN, RED, plain
from tiny_models import LABELS, picture


@sandboxed
def test_an_exported_version_answers_at_an_endpoint(stage: Stage, tmp_path: Path) -> None:
    """It says the same as DetectCustomLabels would: the label of the picture, at its threshold."""
    versions = VersionStage(stage, "us-east-1")
    arn = versions.create_version(versions.project(), **versions.legacy(versions.labelled(10, "red", "green")))
    project, file = arn.partition("/version/")[0], tmp_path / "model.tar.gz"
    refused = _export(stage, arn, file)
    assert (refused.returncode, file.exists()) == (1, False)
    assert "is not a trained model" in refused.stderr
    [described] = versions.client.describe_projects(ProjectNames=[project.split("/")[1]])["ProjectDescriptions"]
    assert versions.settled_version(described["ProjectArn"])["Status"] == "TRAINING_COMPLETED"
    assert _export(stage, arn, file).returncode == 0
    first = file.read_bytes()
    assert "is there already" in _export(stage, arn, file).stderr
    file.unlink()
    assert _export(stage, arn, file).returncode == 0
    assert file.read_bytes() == first

    endpoints = _endpoint(stage, "exported", file)
    for colour, name in ((RED, "red"), (GREEN, "green")):
        answer = json.loads(endpoints.ask("exported", plain(colour, 99), ContentType="image/png"))
        assert [found["Name"] for found in answer["CustomLabels"]] == [name]
    endpoints.delete("exported")


@sandboxed
def test_an_exported_detector_answers_as_detect_custom_labels_does(stage: Stage, tmp_path: Path) -> None:
    labels, file = RunningStage(stage.server), tmp_path / "model.tar.gz"
    arn, pictures = labels.trained("exported-detector"), (picture(red=(1, 2), blue=(3, 0)), picture(blue=(2, 2)))
    labels.run(arn)
    told = [labels.detect(arn, image) for image in pictures]
    labels.rest(arn)
    labels.close()
    [[found], nothing] = told
    assert (found["Name"], found["Geometry"]["BoundingBox"]["Top"], nothing) == (LABELS[0], 0.5, [])

    assert _export(stage, arn, file).returncode == 0
    endpoints = _endpoint(stage, "exported-detector", file)
    asked = [json.loads(endpoints.ask("exported-detector", image, ContentType="image/png")) for image in pictures]
    assert [answer["CustomLabels"] for answer in asked] == told
    endpoints.delete("exported-detector")


@pytest.mark.parametrize(
    ("arn", "told"),
    [
        ("thing", "is not the ARN of a model"),
        ("arn:aws:s3:::bucket", "is not the ARN of a model"),
        ("arn:aws:lookoutvision:us-east-1:000000000000:project/a", "is not the ARN of a model"),
        ("arn:aws:lookoutvision:us-east-1:000000000000:model/none/1", "is not a trained model"),
        ("arn:aws:rekognition:us-east-1:000000000000:project/a/version/b/1", "is not a trained model"),
    ],
)
def test_what_is_no_model_is_told(stage: Stage, tmp_path: Path, arn: str, told: str) -> None:
    done = _export(stage, arn, tmp_path / "model.tar.gz")
    assert done.returncode == 1
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def _endpoint(stage: Stage, name: str, file: Path) -> Endpoints:
    """An endpoint of this archive, in service."""
    endpoints, key = Endpoints(stage), f"{name}/model.tar.gz"
    stage.s3.upload_file(str(file), BUCKET, key)
    container = {"Image": "builtin/vision", "ModelDataUrl": f"s3://{BUCKET}/{key}"}
    endpoints.control.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    endpoints.config(name)
    endpoints.create(name)
    endpoints.in_service(name)
    return endpoints


def _export(stage: Stage, arn: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "relook", "export", arn, str(file), "--data", str(stage.server.data)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
