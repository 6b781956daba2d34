"""Every constraint that the description puts on a request of Custom Labels is held, whatever the client checks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore import xform_name
from click.testing import CliRunner
from constraints import Violation
from lookout_stage import Stage, outcome
from rekognition_constraints import valid_members, violations

from relook.cli import main


def _call(client: Any, operation: str) -> Any:
    return getattr(client, xform_name(operation))


@pytest.fixture(scope="module")
def unchecked(stage: Stage) -> Any:
    """A client that sends what botocore would refuse by itself."""
    return stage.client("rekognition", checked=False)


@pytest.fixture(scope="module")
def offered() -> list[str]:
    """The operations, of a description that has those for faces and texts as well."""
    done = CliRunner().invoke(main, ["api", "--json"], catch_exceptions=False)
    return list(json.loads(done.output)["rekognition"])


@pytest.fixture(scope="module")
def all_violations(unchecked: Any, offered: list[str]) -> list[Violation]:
    return list(violations(unchecked.meta.service_model, offered))


def test_there_is_a_violation_of_every_kind_for_every_operation(
    offered: list[str], all_violations: list[Violation]
) -> None:
    assert {one.operation for one in all_violations} == set(offered)
    assert {one.rule for one in all_violations} == {"required", "min", "max", "pattern", "enum"}
    assert len({str(one) for one in all_violations}) == len(all_violations) > 250


def test_every_violation_is_refused_by_path_and_rule_and_nothing_else_is(
    unchecked: Any, all_violations: list[Violation]
) -> None:
    wrong = {}
    for one in all_violations:
        code, status, message = outcome(_call(unchecked, one.operation), **one.members)
        told = re.search(
            rf"at '{re.escape(one.path)}' failed to satisfy constraint: [^;]*{re.escape(one.words)}", message
        )
        paths = set(re.findall("at '([^']*)' failed to satisfy constraint: ", message))
        if (code, status, bool(told), paths) != ("ValidationException", 400, True, {one.path}):
            wrong[str(one)] = (code, status, message[:300])
    assert wrong == {}


def test_members_that_break_no_rule_get_past_the_constraints(unchecked: Any, offered: list[str]) -> None:
    """The same members, unbroken: what is refused then is refused for another reason."""
    expected = {
        "CopyProjectVersion": ("InvalidParameterException", "KmsKeyId"),
        "CreateProject": ("InvalidParameterException", "AutoUpdate"),
        "CreateProjectVersion": ("InvalidParameterException", "KmsKeyId"),
        "DescribeProjects": ("InvalidPaginationTokenException", "NextToken"),
        "PutProjectPolicy": ("MalformedPolicyDocumentException", "Statement"),
    }
    for name in offered:
        members = valid_members(unchecked.meta.service_model.operation_model(name))
        code, status, message = outcome(_call(unchecked, name), **members)
        error, words = expected.get(name, ("ResourceNotFoundException", "does not exist"))
        assert (code, status, words in message) == (error, 400, True), f"{name}: {message}"


def test_several_violations_are_told_together(unchecked: Any) -> None:
    code, status, message = outcome(unchecked.describe_projects, ProjectNames=["a b"], MaxResults=101)
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("2 validation errors detected: ")
    assert "at 'projectNames.1.member' failed" in message
    assert "at 'maxResults' failed" in message
