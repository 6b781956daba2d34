"""`aws lookoutvision`, all 22 operations, with nothing but what `relook env` exports."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aws_clis import VERSIONS, Aws, cli
from lookout_pictures import DEFECT, UNSEEN_ANOMALY, pictures
from lookout_stage import BUCKET, Stage, model_arn, project_arn, until

pytestmark = pytest.mark.clients


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def aws(stage: Stage, version: str, tmp_path: Path) -> Aws:
    return partial(cli(version, stage.server.variables, tmp_path), "lookoutvision")


def settled(aws: Aws, *arguments: str) -> dict[str, Any]:
    """Poll a describe command until nothing is under way."""

    def read() -> dict[str, Any]:
        [found] = json.loads(aws(*arguments)).values()
        return found

    return until(read, lambda found: not found["Status"].endswith(("ING", "IN_PROGRESS")))


def refusal(aws: Aws, *arguments: str) -> str:
    return aws(*arguments, succeeds=False).strip()


def _datasets(aws: Aws, project: list[str], folder: Path) -> None:
    train = [*project, "--dataset-type", "train"]
    source = f"GroundTruthManifest={{S3Object={{Bucket={BUCKET},Key=manifests/cli}}}}"
    made = json.loads(aws("create-dataset", *train, "--dataset-source", source))["DatasetMetadata"]
    assert made["Status"] == "CREATE_IN_PROGRESS"
    assert settled(aws, "describe-dataset", *train)["ImageStats"]["Total"] == 38
    added = [picture.line(BUCKET, masked=True) for picture in pictures(20, 20)[-2:]]
    (folder / "changes.jsonl").write_text("\n".join(added))
    changed = json.loads(aws("update-dataset-entries", *train, "--changes", "fileb://changes.jsonl"))
    assert changed == {"Status": "UPDATE_IN_PROGRESS"}
    found = settled(aws, "describe-dataset", *train)
    assert (found["Status"], found["ImageStats"]["Anomaly"]) == ("UPDATE_COMPLETE", 20)
    listed = aws("list-dataset-entries", *train, "--labeled", "--anomaly-class", "anomaly", "--page-size", "9")
    assert json.loads(listed)["DatasetEntries"][-2:] == added
    assert len(json.loads(listed)["DatasetEntries"]) == 20
    filters = ["--before-creation-date", "2020-11-10T00:00:00Z", "--source-ref-contains", "anomaly/"]
    assert json.loads(aws("list-dataset-entries", *train, *filters))["DatasetEntries"] == []


def _model(aws: Aws, project: list[str], name: str) -> None:
    location = f"S3Location={{Bucket={BUCKET},Prefix=cli/}}"
    more = ["--description", "by.cli", "--tags", "Key=line,Value=A 1", "Key=b,Value="]
    made = json.loads(aws("create-model", *project, "--output-config", location, *more))["ModelMetadata"]
    assert (made["ModelVersion"], made["Status"]) == ("1", "TRAINING")
    found = settled(aws, "describe-model", *project, "--model-version", "1")
    assert (found["Status"], found["Description"]) == ("TRAINED", "by.cli")
    assert found["EvaluationResult"] == {"Bucket": BUCKET, "Key": f"cli/EvaluationResult-{name}-1.json"}
    [listed] = json.loads(aws("list-models", *project))["Models"]
    assert listed["Performance"] == found["Performance"]


def _tags(aws: Aws, arn: str) -> None:
    resource = ["--resource-arn", arn]
    aws("tag-resource", *resource, "--tags", '[{"Key": "c d", "Value": "é"}]')
    aws("untag-resource", *resource, "--tag-keys", "b", "line")
    assert json.loads(aws("list-tags-for-resource", *resource))["Tags"] == [{"Key": "c d", "Value": "é"}]


def _hosting(aws: Aws, project: list[str], folder: Path) -> None:
    model = [*project, "--model-version", "1"]
    (folder / "unseen.png").write_bytes(UNSEEN_ANOMALY.png())
    detect = ["detect-anomalies", *model, "--content-type", "image/png", "--body", "unseen.png"]
    assert "(ConflictException) when calling the DetectAnomalies operation" in refusal(aws, *detect)
    started = aws("start-model", *model, "--min-inference-units", "1", "--max-inference-units", "2")
    assert json.loads(started) == {"Status": "STARTING_HOSTING"}
    assert settled(aws, "describe-model", *model)["StatusMessage"] == "The model is running."
    found = json.loads(aws(*detect))["DetectAnomalyResult"]
    assert (found["IsAnomalous"], found["Source"]) == (True, {"Type": "direct"})
    assert [one["Name"] for one in found["Anomalies"]] == ["background", DEFECT]
    assert found["AnomalyMask"].startswith("iVBORw0KGgo")
    detect[detect.index("image/png")] = "image/bmp"
    assert "content-type must be one of the following. image/jpeg, image/png" in refusal(aws, *detect)
    assert json.loads(aws("stop-model", *model)) == {"Status": "STOPPING_HOSTING"}
    assert settled(aws, "describe-model", *model)["Status"] == "TRAINED"


def _packaging(aws: Aws, project: list[str]) -> None:
    target = f"Greengrass={{TargetDevice=jetson_xavier,S3OutputLocation={{Bucket={BUCKET}}},ComponentName=c}}"
    start = ["start-model-packaging-job", *project, "--model-version", "1", "--configuration", target]
    for operation in (
        start,
        ["describe-model-packaging-job", *project, "--job-name", "job"],
        ["list-model-packaging-jobs", *project],
    ):
        said = refusal(aws, *operation)
        assert "(ValidationException)" in said
        assert "ModelPackagingJob" in said.partition("operation")[2]


def _end(aws: Aws, project: list[str], name: str) -> None:
    assert f"(ConflictException) when calling the DeleteProject operation: Project {name}" in refusal(
        aws, "delete-project", *project
    )
    deleted = json.loads(aws("delete-model", *project, "--model-version", "1"))
    assert deleted == {"ModelArn": model_arn(name)}
    aws("delete-dataset", *project, "--dataset-type", "train")
    assert json.loads(aws("delete-project", *project)) == {"ProjectArn": project_arn(name)}
    said = refusal(aws, "describe-project", *project)
    assert f"(ResourceNotFoundException) when calling the DescribeProject operation: Project {name}" in said


def test_every_operation(aws: Aws, stage: Stage, version: str, tmp_path: Path) -> None:
    name = f"cli-{version}"
    project = ["--project-name", name]
    stage.manifest("manifests/cli", [picture.line(BUCKET, masked=True) for picture in pictures(20, 18)])
    made = json.loads(aws("create-project", *project, "--client-token", "one"))["ProjectMetadata"]
    assert made["ProjectArn"] == project_arn(name)
    assert "(ConflictException)" in refusal(aws, "create-project", *project, "--client-token", "two")
    _datasets(aws, project, tmp_path)
    [dataset] = json.loads(aws("describe-project", *project))["ProjectDescription"]["Datasets"]
    assert (dataset["DatasetType"], dataset["Status"]) == ("train", "UPDATE_COMPLETE")
    assert name in aws("list-projects", "--query", "Projects[].ProjectName", "--output", "text").split()
    _model(aws, project, name)
    _tags(aws, model_arn(name))
    _hosting(aws, project, tmp_path)
    _packaging(aws, project)
    _end(aws, project, name)
