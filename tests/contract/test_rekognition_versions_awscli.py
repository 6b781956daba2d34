"""`aws rekognition`: a version trained, waited for, copied and deleted, as the guide's commands write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_clis import VERSIONS, Aws, cli
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage, until

from label_pictures import COLOURS, plain

pytestmark = pytest.mark.clients
REGION = "us-east-1"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_version(stage: Stage, version: str, tmp_path: Path) -> None:
    aws = cli(version, stage.server.variables, tmp_path)
    versions = VersionStage(stage, REGION)
    data = versions.legacy(versions.labelled(10, "red", "green"))
    project = _json(aws, "create-project", "--project-name", f"cli-versions-{version}")["ProjectArn"]
    output = ["--output-config", json.dumps({"S3Bucket": BUCKET, "S3KeyPrefix": f"cli/{version}"})]
    of_project = ["--project-arn", project]
    sets = ["--training-data", json.dumps(data["TrainingData"]), "--testing-data", json.dumps(data["TestingData"])]
    made = ["create-project-version", *of_project, "--version-name", "v1", *output, *sets, "--tags", '{"line": "3"}']
    arn = _json(aws, *made)["ProjectVersionArn"]
    assert "ResourceInUseException" in aws("rekognition", *made, succeeds=False)
    # The CLI's waiter looks every two minutes: this is its question, asked more often.
    names = ["describe-project-versions", *of_project, "--version-names", "v1"]
    query = ["--query", "ProjectVersionDescriptions[0].Status", "--output", "text"]
    until(lambda: aws("rekognition", *names, *query).strip(), lambda status: status == "TRAINING_COMPLETED")
    aws("rekognition", "wait", "project-version-training-completed", *of_project, "--version-names", "v1")
    [found] = _json(aws, *names)["ProjectVersionDescriptions"]
    summary = found["EvaluationResult"]["Summary"]["S3Object"]
    aws("s3", "cp", f"s3://{summary['Bucket']}/{summary['Name']}", "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())["EvaluationDetails"]["ProjectVersionArn"] == arn

    source = ["--source-project-arn", project, "--source-project-version-arn", arn]
    target = ["--destination-project-arn", project, "--version-name", "copy"]
    copied = _json(aws, "copy-project-version", *source, *target, *output)["ProjectVersionArn"]
    listed = ["describe-project-versions", *of_project, "--page-size", "1"]
    both = until(
        lambda: _json(aws, *listed)["ProjectVersionDescriptions"],
        lambda found: found[0]["Status"] == "COPYING_COMPLETED",
    )
    assert [one["ProjectVersionArn"] for one in both] == [copied, arn]
    for one in (arn, copied):
        assert _json(aws, "delete-project-version", "--project-version-arn", one) == {"Status": "DELETING"}
    assert _json(aws, *listed) == {"ProjectVersionDescriptions": []}
    assert _json(aws, "delete-project", *of_project) == {"Status": "DELETING"}


def test_a_whole_life(stage: Stage, version: str, tmp_path: Path) -> None:
    """From the project to its end; the waiters look seldom, so they are asked once what they wait for is there."""
    aws = cli(version, stage.server.variables, tmp_path)
    versions, name = VersionStage(stage, REGION), f"cli-life-{version}"
    project = _json(aws, "create-project", "--project-name", name)["ProjectArn"]
    of_project, manifest = ["--project-arn", project], versions.upload(versions.labelled(10, "red", "green"))
    source = ["--dataset-type", "TRAIN", "--dataset-source", json.dumps(manifest)]
    dataset = _json(aws, "create-dataset", *of_project, *source)["DatasetArn"]
    assert versions.settled(dataset)["Status"] == "CREATE_COMPLETE"
    output = ["--output-config", f"S3Bucket={BUCKET},S3KeyPrefix={name}"]
    made = _json(aws, "create-project-version", *of_project, "--version-name", "v1", *output)
    which, v1 = ["--project-version-arn", made["ProjectVersionArn"]], [*of_project, "--version-names", "v1"]
    versions.settled_version(project)
    aws("rekognition", "wait", "project-version-training-completed", *v1)

    assert _json(aws, "start-project-version", *which, "--min-inference-units", "1") == {"Status": "STARTING"}
    versions.settled_version(project)
    aws("rekognition", "wait", "project-version-running", *v1)
    for colour in ("red", "green"):
        (tmp_path / "unseen.png").write_bytes(plain(COLOURS[colour], 99))
        [found] = _json(aws, "detect-custom-labels", *which, "--image-bytes", "fileb://unseen.png")["CustomLabels"]
        assert (found["Name"], set(found)) == (colour, {"Name", "Confidence"})
        assert 50 < found["Confidence"] <= 100

    assert _json(aws, "stop-project-version", *which) == {"Status": "STOPPING"}
    assert versions.settled_version(project)["Status"] == "STOPPED"
    assert _json(aws, "delete-project-version", *which) == {"Status": "DELETING"}
    # The training has split off a test dataset.
    [described] = _json(aws, "describe-projects", "--project-names", name)["ProjectDescriptions"]
    assert [one["DatasetType"] for one in described["Datasets"]] == ["TRAIN", "TEST"]
    for one in described["Datasets"]:
        aws("rekognition", "delete-dataset", "--dataset-arn", one["DatasetArn"])
    assert _json(aws, "delete-project", *of_project) == {"Status": "DELETING"}
    assert _json(aws, "describe-projects", "--project-names", name) == {"ProjectDescriptions": []}


def _json(aws: Aws, operation: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aws("rekognition", operation, *arguments))
    return found
