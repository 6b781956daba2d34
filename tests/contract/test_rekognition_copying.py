"""CopyProjectVersion by boto3: the copy runs and answers as its source does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from label_stage import code
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage, refused, until
from running_stage import BUCKET as RUNNING_BUCKET
from running_stage import RunningStage, running_stage

from label_pictures import GREEN, RED, plain
from relook.testing import LiveServer
from tiny_models import LABELS, picture


@pytest.fixture(scope="module")
def versions(stage: Stage) -> VersionStage:
    return VersionStage(stage, "eu-central-2")


@pytest.fixture(scope="module")
def source(versions: VersionStage) -> str:
    return versions.trained("source")


def copy(versions: VersionStage, source: str, target: str, name: str = "copy") -> dict[str, Any]:
    return {
        "SourceProjectArn": source,
        "SourceProjectVersionArn": versions.describe_version(source)["ProjectVersionArn"],
        "DestinationProjectArn": target,
        "VersionName": name,
        "OutputConfig": {"S3Bucket": BUCKET, "S3KeyPrefix": "copied/"},
    }


def test_a_copy_answers_as_its_source(versions: VersionStage, source: str) -> None:
    target = versions.project("target")
    arn = versions.client.copy_project_version(**copy(versions, source, target))["ProjectVersionArn"]
    found = versions.settled_version(target, "copy")
    assert found["Status"] == "COPYING_COMPLETED", found["StatusMessage"]
    original = versions.describe_version(source)
    assert found["SourceProjectVersionArn"] == original["ProjectVersionArn"]
    assert found["EvaluationResult"]["F1Score"] == original["EvaluationResult"]["F1Score"]
    assert versions.read(found["EvaluationResult"]["Summary"]) == versions.read(original["EvaluationResult"]["Summary"])
    answers = []
    for version, project, name in ((original["ProjectVersionArn"], source, "v1"), (arn, target, "copy")):
        versions.client.start_project_version(ProjectVersionArn=version, MinInferenceUnits=1)
        assert versions.settled_version(project, name)["Status"] == "RUNNING"
        answers.append([versions.detect(version, plain(colour, 400)) for colour in (RED, GREEN)])
        versions.client.stop_project_version(ProjectVersionArn=version)
        assert versions.settled_version(project, name)["Status"] == "STOPPED"
    assert answers[0] == answers[1]
    assert [[one["Name"] for one in found] for found in answers[0]] == [["red"], ["green"]]


def test_a_detectors_copy_finds_the_same_boxes_without_its_source(tmp_path: Path) -> None:
    coloured = picture(red=(1, 2), blue=(3, 0))
    with running_stage(tmp_path) as stage:
        client, source = stage.rekognition, stage.run(stage.trained("source"))
        before = [stage.detect(source, coloured, **asked) for asked in ({}, {"MinConfidence": 0})]
        stage.rest(source)
        copied = client.copy_project_version(
            SourceProjectArn=stage.project_arn(source),
            SourceProjectVersionArn=source,
            DestinationProjectArn=client.create_project(ProjectName="target")["ProjectArn"],
            VersionName="v1",
            OutputConfig={"S3Bucket": RUNNING_BUCKET, "S3KeyPrefix": "copied/"},
        )["ProjectVersionArn"]
        found = until(lambda: stage.describe(copied), lambda found: found["Status"] != "COPYING_IN_PROGRESS")
        assert found["Status"] == "COPYING_COMPLETED", found["StatusMessage"]
        client.delete_project_version(ProjectVersionArn=source)
        stage.run(copied)
        after = [stage.detect(copied, coloured, **asked) for asked in ({}, {"MinConfidence": 0})]
    assert after == before
    [sure], everything = after
    assert (sure["Name"], sure["Geometry"]["BoundingBox"]["Left"]) == (LABELS[0], pytest.approx(0.2))
    assert {one["Name"] for one in everything} == set(LABELS)


def test_a_name_in_use(versions: VersionStage, source: str) -> None:
    target = versions.project()
    members = copy(versions, source, target)
    versions.client.copy_project_version(**members)
    again = refused(versions.client.copy_project_version, **members)
    assert code(again) == ("ResourceInUseException", 400)
    assert versions.settled_version(target, "copy")["Status"] == "COPYING_COMPLETED"


def test_an_account_that_is_not_ours(versions: VersionStage, source: str) -> None:
    members = copy(versions, source, versions.project())
    account = source.split(":")[4]
    for name in ("SourceProjectArn", "SourceProjectVersionArn"):
        members[name] = members[name].replace(account, "1" * 12)
    found = refused(versions.client.copy_project_version, **members)
    assert code(found) == ("AccessDeniedException", 400)


@pytest.mark.parametrize("name", ["SourceProjectArn", "SourceProjectVersionArn", "DestinationProjectArn"])
def test_what_is_not_there(versions: VersionStage, source: str, name: str) -> None:
    target = versions.project()
    members = copy(versions, source, target)
    head, _, number = members[name].rpartition("/")
    found = refused(versions.client.copy_project_version, **members | {name: f"{head}/{int(number) + 1}"})
    assert code(found) == ("ResourceNotFoundException", 400)
    assert versions.client.describe_project_versions(ProjectArn=target)["ProjectVersionDescriptions"] == []


def test_a_key_is_refused_by_name(versions: VersionStage, source: str) -> None:
    target = versions.project()
    found = refused(versions.client.copy_project_version, **copy(versions, source, target), KmsKeyId="alias/key")
    assert code(found) == ("InvalidParameterException", 400)
    assert "KmsKeyId is not supported" in found["Error"]["Message"]
    assert versions.client.describe_project_versions(ProjectArn=target)["ProjectVersionDescriptions"] == []


def test_a_project_has_room_for_so_many_copies(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", environment={"RELOOK_LABEL_VERSIONS": "2"}) as server:
        stage = RunningStage(server)
        client = stage.rekognition
        source = stage.trained("source")
        target = client.create_project(ProjectName="target")["ProjectArn"]
        members = {
            "SourceProjectArn": stage.project_arn(source),
            "SourceProjectVersionArn": source,
            "DestinationProjectArn": target,
            "OutputConfig": {"S3Bucket": RUNNING_BUCKET, "S3KeyPrefix": "copied/"},
        }

        def copied(name: str) -> str:
            arn = str(client.copy_project_version(**members, VersionName=name)["ProjectVersionArn"])
            until(
                lambda: client.describe_project_versions(ProjectArn=target)["ProjectVersionDescriptions"][0]["Status"],
                lambda status: status == "COPYING_COMPLETED",
            )
            return arn

        first, _ = copied("one"), copied("two")
        found = stage.refused("copy_project_version", **members, VersionName="three")
        assert (found[:2], "label_versions" in found[2]) == (("ServiceQuotaExceededException", 400), True)
        client.delete_project_version(ProjectVersionArn=first)
        copied("three")
        stage.close()
