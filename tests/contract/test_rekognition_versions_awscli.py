"""`aws rekognition`: a version trained, waited for, copied and deleted, as the guide's commands write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_clis import VERSIONS, Aws, cli
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage, until

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


def _json(aws: Aws, operation: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aws("rekognition", operation, *arguments))
    return found
