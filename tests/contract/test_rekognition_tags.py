"""TagResource, UntagResource, ListTagsForResource of Custom Labels by boto3."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from label_stage import code
from label_versions import VersionStage
from lookout_stage import ACCOUNT, Stage, refused, until

from relook.datafolder import DataFolder

REGION = "me-south-1"
KINDS = ["project", "dataset", "version"]


@pytest.fixture(scope="module")
def labels(stage: Stage) -> VersionStage:
    return VersionStage(stage, REGION)


def _made(labels: VersionStage, kind: str, **more: Any) -> str:
    if kind == "project":
        return str(labels.client.create_project(ProjectName=f"tagged-{len(more)}", **more)["ProjectArn"])
    if kind == "version":
        return _version(labels, labels.project(), **more)
    answer = labels.client.create_dataset(ProjectArn=labels.project(), DatasetType="TRAIN", **more)
    return str(answer["DatasetArn"])


def _version(labels: VersionStage, project: str, **more: Any) -> str:
    """One that is at rest: too few images fail its training at once."""
    arn = labels.create_version(project, **labels.legacy(labels.labelled(1, "red", "green")), **more)
    assert labels.settled_version(project)["Status"] == "TRAINING_FAILED"
    return arn


@pytest.mark.parametrize("kind", KINDS)
def test_tag_untag_and_list(labels: VersionStage, kind: str) -> None:
    client = labels.client
    bare, arn = _made(labels, kind), _made(labels, kind, Tags={"line": "7", "Käse/ß": ""})
    assert client.list_tags_for_resource(ResourceArn=bare)["Tags"] == {}
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "7", "Käse/ß": ""}
    tagged = client.tag_resource(ResourceArn=arn, Tags={"line": "8", "site": "Ulm"})
    assert set(tagged) == {"ResponseMetadata"}
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "8", "Käse/ß": "", "site": "Ulm"}
    client.untag_resource(ResourceArn=arn, TagKeys=["site", "never", "Käse/ß"])
    client.untag_resource(ResourceArn=arn, TagKeys=[])
    client.tag_resource(ResourceArn=arn, Tags={})
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "8"}
    assert client.list_tags_for_resource(ResourceArn=bare)["Tags"] == {}


@pytest.mark.parametrize("kind", KINDS)
def test_tags_go_with_their_resource(labels: VersionStage, kind: str) -> None:
    client, project = labels.client, labels.project()
    make, delete = {
        "project": (lambda: labels.project("again"), lambda arn: client.delete_project(ProjectArn=arn)),
        "dataset": (lambda: labels.create(project), lambda arn: client.delete_dataset(DatasetArn=arn)),
        "version": (
            lambda: _version(labels, project),
            lambda arn: client.delete_project_version(ProjectVersionArn=arn),
        ),
    }[kind]
    for _ in range(2):
        arn = make()
        assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {}
        client.tag_resource(ResourceArn=arn, Tags={"a": f"of a {kind}"})
        assert _rows(labels, f"of a {kind}") == 1
        delete(arn)
        assert code(refused(client.list_tags_for_resource, ResourceArn=arn))[0] == "ResourceNotFoundException"
        until(lambda: _rows(labels, f"of a {kind}"), lambda left: left == 0)


def _rows(labels: VersionStage, value: str) -> int:
    """Tags with this value, those that no resource has any more too."""
    database = DataFolder(labels.stage.server.data).database
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        counted = connection.execute("SELECT count(*) FROM rekognition_tags WHERE value = ?", (value,))
        return int(counted.fetchone()[0])


def test_fifty_are_the_most(labels: VersionStage) -> None:
    arn = labels.project()
    fifty = {f"key-{number}": "v" for number in range(50)}
    labels.client.tag_resource(ResourceArn=arn, Tags=fifty)
    labels.client.tag_resource(ResourceArn=arn, Tags={"key-0": "w"})
    found = refused(labels.client.tag_resource, ResourceArn=arn, Tags={"one more": ""})
    assert code(found) == ("ServiceQuotaExceededException", 400)
    assert labels.client.list_tags_for_resource(ResourceArn=arn)["Tags"] == fifty | {"key-0": "w"}


def test_resources_that_are_not_there(labels: VersionStage) -> None:
    project = labels.project()
    dataset = labels.create(project)
    head = project.rpartition("/")[0]
    client = labels.client
    for absent in (
        f"{head}/1",
        f"{dataset.rpartition('/')[0]}/1",
        f"{head}/version/v/1",
        project.replace(ACCOUNT, "1" * 12),
        project.replace(REGION, "us-east-1"),
    ):
        for found in (
            refused(client.tag_resource, ResourceArn=absent, Tags={"a": "b"}),
            refused(client.untag_resource, ResourceArn=absent, TagKeys=["a"]),
            refused(client.list_tags_for_resource, ResourceArn=absent),
        ):
            assert code(found) == ("ResourceNotFoundException", 400), absent
    for wrong in ("x" * 20, f"{head}/collection/c", "arn:aws:lookoutvision:us-east-1:000000000000:project/p"):
        found = refused(client.list_tags_for_resource, ResourceArn=wrong)
        assert code(found) == ("InvalidParameterException", 400), wrong
    reserved = refused(client.tag_resource, ResourceArn=project, Tags={"AWS:x": ""})
    assert code(reserved) == ("InvalidParameterException", 400)


@pytest.mark.parametrize(
    "tags", [{"": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, {"aws:k": "v"}, {"k": "#"}], ids=lambda tags: str(tags)[:12]
)
def test_constraints_of_the_model(labels: VersionStage, tags: dict[str, str]) -> None:
    found = refused(labels.unchecked.tag_resource, ResourceArn=labels.project(), Tags=tags)
    assert code(found) == ("ValidationException", 400)
