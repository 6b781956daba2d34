"""Every constraint that the description puts on a request is held by the server, whatever the client checks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lookout_constraints import Violation, valid_members, violations
from lookout_stage import Stage, outcome


def _call(client: Any, operation: str) -> Any:
    return getattr(client, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())


@pytest.fixture(scope="module")
def unchecked(stage: Stage) -> Any:
    """A client that sends what botocore would refuse by itself."""
    return stage.client("lookoutvision", checked=False)


@pytest.fixture(scope="module")
def all_violations(unchecked: Any) -> list[Violation]:
    return list(violations(unchecked.meta.service_model))


def test_there_is_a_violation_of_every_kind_for_every_operation(
    unchecked: Any, all_violations: list[Violation]
) -> None:
    assert {one.operation for one in all_violations} == set(unchecked.meta.service_model.operation_names)
    assert {one.rule for one in all_violations} == {"required", "min", "max", "pattern", "enum"}
    assert len(all_violations) > 200


def test_every_violation_is_refused_by_path_and_rule(unchecked: Any, all_violations: list[Violation]) -> None:
    wrong = {}
    for one in all_violations:
        code, status, message = outcome(_call(unchecked, one.operation), **one.members)
        named = f"at '{one.path}' failed to satisfy constraint: " in message and one.words in message
        if (code, status, named) != ("ValidationException", 400, True):
            wrong[str(one)] = (code, status, message[:300])
    assert wrong == {}


def test_members_that_break_no_rule_get_past_the_constraints(unchecked: Any) -> None:
    """The same members, unbroken: what is refused then is refused for another reason."""
    model = unchecked.meta.service_model
    expected = {
        "ListProjects": "NextToken is not valid",
        **dict.fromkeys(("StartModelPackagingJob", "DescribeModelPackagingJob", "ListModelPackagingJobs"), "supported"),
    }
    for name in model.operation_names:
        members = valid_members(model.operation_model(name))
        if name == "CreateProject":
            assert unchecked.create_project(**members)["ProjectMetadata"]["ProjectName"] == "absent"
            unchecked.delete_project(ProjectName="absent")
            continue
        code, _, message = outcome(_call(unchecked, name), **members)
        words = expected.get(name, "does not exist")
        assert words in message, f"{name}: {code} {message}"
        assert "validation error" not in message


def test_several_violations_are_told_together(unchecked: Any) -> None:
    code, _, message = outcome(unchecked.list_models, ProjectName="bad name!", MaxResults=500)
    assert code == "ValidationException"
    assert message.startswith("2 validation errors detected: ")
    assert "'projectName'" in message
    assert "'maxResults'" in message


def test_changes_of_more_than_10_megabytes(stage: Stage) -> None:
    stage.project("large-changes")
    stage.vision.create_dataset(ProjectName="large-changes", DatasetType="train")
    members = {"ProjectName": "large-changes", "DatasetType": "train"}
    too_much = b"{}" + b"\n" * (10_485_760 - 1)
    code, status, message = outcome(stage.vision.update_dataset_entries, **members, Changes=too_much)
    assert (code, status) == ("ValidationException", 400)
    assert "'changes'" in message
    assert "10485760" in message
    assert stage.vision.update_dataset_entries(**members, Changes=too_much[1:])["Status"] == "UPDATE_IN_PROGRESS"
    assert stage.settled_dataset("large-changes")["Status"] == "UPDATE_FAILED_ROLLBACK_COMPLETE"
