"""`aws rekognition`: the projects, datasets, policies and tags of Custom Labels, as the guide's commands write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_clis import VERSIONS, Aws, cli
from label_stage import LabelStage, manifest
from lookout_stage import Stage, until

from custom_labels_lines import boxes, image_level

pytestmark = pytest.mark.clients
LABELS = ["bird", "cat", "dog"]
LINES = [image_level(f"image-{number}", "cat" if number % 2 else "dog") for number in range(20)]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def aws(stage: Stage, version: str, tmp_path: Path) -> Aws:
    return cli(version, stage.server.variables, tmp_path)


def _json(aws: Aws, operation: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aws("rekognition", operation, *arguments) or "{}")
    return found


def _dataset(aws: Aws, arn: str) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        found: dict[str, Any] = _json(aws, "describe-dataset", "--dataset-arn", arn)["DatasetDescription"]
        return found

    return until(read, lambda found: not found["Status"].endswith("IN_PROGRESS"))


def test_datasets(stage: Stage, aws: Aws, version: str, tmp_path: Path) -> None:
    source = LabelStage(stage, "us-east-1").upload(LINES)
    arn = _json(aws, "create-project", "--project-name", f"cli-{version}")["ProjectArn"]
    assert "ResourceInUseException" in aws(
        "rekognition", "create-project", "--project-name", f"cli-{version}", succeeds=False
    )
    kind = ["--project-arn", arn, "--dataset-type"]
    train = _json(aws, "create-dataset", *kind, "TRAIN", "--dataset-source", json.dumps(source))["DatasetArn"]
    assert _dataset(aws, train)["DatasetStats"]["TotalEntries"] == 20
    test = _json(aws, "create-dataset", *kind, "TEST")["DatasetArn"]
    both = json.dumps([{"Arn": train}, {"Arn": test}])
    aws("rekognition", "distribute-dataset-entries", "--datasets", both)
    assert [_dataset(aws, one)["DatasetStats"]["TotalEntries"] for one in (train, test)] == [16, 4]

    # v1 takes a blob inside of JSON as it is; v2 takes it for base64 unless told, as the guide does.
    (tmp_path / "changes.json").write_text(json.dumps({"GroundTruth": manifest([boxes("new", "bird")]).decode()}))
    raw = ["--cli-binary-format", "raw-in-base64-out"] if version == "v2" else []
    aws("rekognition", "update-dataset-entries", "--dataset-arn", test, "--changes", "file://changes.json", *raw)
    assert _dataset(aws, test)["Status"] == "UPDATE_COMPLETE"
    listed = _json(aws, "list-dataset-entries", "--dataset-arn", test, "--contains-labels", "bird")
    assert [json.loads(line)["source-ref"] for line in listed["DatasetEntries"]] == ["s3://images/new.jpg"]
    assert len(_json(aws, "list-dataset-entries", "--dataset-arn", test, "--no-has-errors")["DatasetEntries"]) == 5
    names = _json(aws, "list-dataset-labels", "--dataset-arn", test, "--page-size", "2")["DatasetLabelDescriptions"]
    assert [one["LabelName"] for one in names] == ["bird", "cat", "dog"]

    assert "ResourceInUseException" in aws("rekognition", "delete-project", "--project-arn", arn, succeeds=False)
    for one in (train, test):
        aws("rekognition", "delete-dataset", "--dataset-arn", one)
        gone = aws("rekognition", "describe-dataset", "--dataset-arn", one, succeeds=False)
        assert "ResourceNotFoundException" in gone
    assert _json(aws, "delete-project", "--project-arn", arn) == {"Status": "DELETING"}
    assert _json(aws, "describe-projects", "--project-names", f"cli-{version}") == {"ProjectDescriptions": []}


def test_policies_and_tags(aws: Aws, version: str, tmp_path: Path) -> None:
    arn = _json(aws, "create-project", "--project-name", f"cli-policies-{version}")["ProjectArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": f"{arn.rpartition('/')[0]}/version/*",
    }
    (tmp_path / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    project, named = ["--project-arn", arn], ["--policy-name", "copying"]
    put = ["put-project-policy", *project, *named, "--policy-document", "file://policy.json"]
    revision = _json(aws, *put)["PolicyRevisionId"]
    assert "ResourceAlreadyExistsException" in aws("rekognition", *put, succeeds=False)
    (found,) = _json(aws, "list-project-policies", *project)["ProjectPolicies"]
    assert (found["PolicyRevisionId"], json.loads(found["PolicyDocument"])["Statement"]) == (revision, [statement])
    aws("rekognition", "delete-project-policy", *project, *named, "--policy-revision-id", revision)

    resource = ["--resource-arn", arn]
    aws("rekognition", "tag-resource", *resource, "--tags", '{"line":"7","site":"Ulm"}')
    aws("rekognition", "untag-resource", *resource, "--tag-keys", "site")
    assert _json(aws, "list-tags-for-resource", *resource) == {"Tags": {"line": "7"}}
    aws("rekognition", "delete-project", *project)


def test_pages(stage: Stage, aws: Aws, version: str) -> None:
    """Page by page everything is told once. That a page is as large as it was asked for a refused one shows.

    Versions are listed page by page in test_rekognition_versions_awscli.py.
    """
    labels = LabelStage(stage, "us-east-1")
    names = [f"cli-pages-{version}-{number}" for number in range(3)]
    projects = [labels.project(name) for name in names]
    project, lines = projects[0], [image_level(f"page-{label}", label) for label in LABELS]
    dataset, images = labels.dataset(lines, project), [line["source-ref"] for line in lines]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "rekognition:CopyProjectVersion", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    for name in ("a", "b", "c"):
        labels.client.put_project_policy(ProjectArn=project, PolicyName=name, PolicyDocument=document)
    of_project, of_dataset = ["--project-arn", project], ["--dataset-arn", dataset]
    for operation, which, key, name, told in (
        ("describe-projects", ["--project-names", *names], "ProjectDescriptions", "ProjectArn", projects[::-1]),
        ("list-dataset-entries", of_dataset, "DatasetEntries", "source-ref", images),
        ("list-dataset-labels", of_dataset, "DatasetLabelDescriptions", "LabelName", LABELS),
        ("list-project-policies", of_project, "ProjectPolicies", "PolicyName", ["a", "b", "c"]),
    ):
        found = _json(aws, operation, *which, "--page-size", "1")[key]
        entries = [json.loads(one) if isinstance(one, str) else one for one in found]
        assert [one[name] for one in entries] == told
    for operation, which in (
        ("describe-projects", []),
        ("describe-project-versions", of_project),
        ("list-dataset-entries", of_dataset),
        ("list-dataset-labels", of_dataset),
        ("list-project-policies", of_project),
    ):
        said = aws("rekognition", operation, *which, "--page-size", "101", succeeds=False)
        assert "(ValidationException)" in said
        assert "Value '101' at 'maxResults' failed to satisfy constraint" in said
