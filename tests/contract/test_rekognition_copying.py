"""CopyProjectVersion by boto3: the copy runs and answers as its source does."""

from __future__ import annotations

from typing import Any

import pytest
from label_stage import code
from label_versions import VersionStage
from lookout_stage import BUCKET, Stage, refused

from label_pictures import GREEN, RED, plain


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
