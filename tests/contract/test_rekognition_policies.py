"""PutProjectPolicy, ListProjectPolicies, DeleteProjectPolicy by boto3."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from label_stage import LabelStage, code
from lookout_stage import Stage, refused

REGION = "eu-central-2"


@pytest.fixture(scope="module")
def labels(stage: Stage) -> LabelStage:
    return LabelStage(stage, REGION)


def statement(**changes: Any) -> dict[str, Any]:
    """A statement as the guide has it; a member that is None is left out."""
    whole = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": f"arn:aws:rekognition:{REGION}:000000000000:project/p/version/*",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def policy(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements or [statement()]), **more})


def put(labels: LabelStage, project: str, name: str = "copying", document: str | None = None, **more: Any) -> str:
    answer = labels.client.put_project_policy(
        ProjectArn=project, PolicyName=name, PolicyDocument=document or policy(), **more
    )
    return str(answer["PolicyRevisionId"])


def test_put_list_and_revise(labels: LabelStage) -> None:
    project = labels.project()
    document = "\n\t" + policy(Id="Käse")
    first = put(labels, project, document=document)
    assert re.fullmatch("[0-9a-f]{32}", first)
    (made,) = labels.client.list_project_policies(ProjectArn=project)["ProjectPolicies"]
    created = made.pop("CreationTimestamp")
    assert made.pop("LastUpdatedTimestamp") == created
    assert made == {
        "ProjectArn": project,
        "PolicyName": "copying",
        "PolicyRevisionId": first,
        "PolicyDocument": document,
    }
    second = put(labels, project, document=policy(statement(Effect="Deny")), PolicyRevisionId=first.upper())
    assert second != first
    (revised,) = labels.client.list_project_policies(ProjectArn=project)["ProjectPolicies"]
    assert (revised["PolicyRevisionId"], revised["CreationTimestamp"]) == (second, created)
    assert revised["LastUpdatedTimestamp"] > created
    assert json.loads(revised["PolicyDocument"])["Statement"][0]["Effect"] == "Deny"


def test_revisions_that_are_not_the_current_one(labels: LabelStage) -> None:
    project = labels.project()
    first = put(labels, project)
    call = labels.client.put_project_policy
    members = {"ProjectArn": project, "PolicyName": "copying", "PolicyDocument": policy()}
    assert code(refused(call, **members)) == ("ResourceAlreadyExistsException", 400)
    second = put(labels, project, PolicyRevisionId=first)
    delete = labels.client.delete_project_policy
    for found in (
        refused(call, **members, PolicyRevisionId=first),
        refused(call, **members | {"PolicyName": "new"}, PolicyRevisionId=second),
        refused(delete, ProjectArn=project, PolicyName="copying", PolicyRevisionId=first),
    ):
        assert code(found) == ("InvalidPolicyRevisionIdException", 400)
    delete(ProjectArn=project, PolicyName="copying", PolicyRevisionId=second)
    assert labels.client.list_project_policies(ProjectArn=project)["ProjectPolicies"] == []


MALFORMED = {
    "broken JSON": "{",
    "a list": "[]",
    "deep": "[" * 1990,
    "unknown member": policy(Sid="x"),
    "version": policy(Version="2020-01-01"),
    "no statement": json.dumps({"Version": "2012-10-17"}),
    "empty statement": json.dumps({"Version": "2012-10-17", "Statement": []}),
    "a word": policy("allow"),
    "effect": policy(statement(Effect="allow")),
    "no principal": policy(statement(Principal=None)),
    "principal": policy(statement(Principal="111122223333")),
    "service principal": policy(statement(Principal={"Service": "rekognition.amazonaws.com"})),
    "no account": policy(statement(Principal={"AWS": ["somebody"]})),
    "no principals": policy(statement(Principal={"AWS": []})),
    "no action": policy(statement(Action=None)),
    "any action": policy(statement(Action="rekognition:*")),
    "two actions": policy(statement(Action=["rekognition:CopyProjectVersion", "rekognition:DetectCustomLabels"])),
    "no resource": policy(statement(Resource=None)),
    "no ARN": policy(statement(Resource="project/p")),
    "a number": policy(statement(Resource=[7])),
    "NotAction": policy(statement(Action=None, NotAction="rekognition:CopyProjectVersion")),
    "NotResource": policy(statement(Resource=None, NotResource="*")),
    "NotPrincipal": policy(statement(Principal=None, NotPrincipal="*")),
    "condition": policy(statement(Condition={"StringEquals": {"aws:PrincipalTag/x": "y"}})),
    "second statement": policy(statement(), statement(Extra=1)),
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED)
def test_documents_that_are_no_project_policies(labels: LabelStage, document: str) -> None:
    project = labels.project()
    found = refused(labels.client.put_project_policy, ProjectArn=project, PolicyName="p", PolicyDocument=document)
    assert code(found) == ("MalformedPolicyDocumentException", 400)
    labels.client.delete_project(ProjectArn=project)


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"Statement": statement(Principal="*", Resource="*")}),
        policy(statement(Sid="one"), statement(Effect="Deny", Principal={"AWS": "*"})),
        policy(statement(Principal={"AWS": ["arn:aws:iam::111122223333:root", "111122223333"]})),
        policy(statement(Action=["rekognition:CopyProjectVersion"], Resource=[statement()["Resource"]])),
    ],
    ids=["one statement", "two", "ARNs", "lists"],
)
def test_documents_of_other_forms(labels: LabelStage, document: str) -> None:
    project = labels.project()
    assert put(labels, project, document=document)
    labels.client.delete_project(ProjectArn=project)


def test_five_are_the_most_and_come_by_pages(labels: LabelStage) -> None:
    project = labels.project()
    revisions = [put(labels, project, f"policy-{number}") for number in range(5)]
    full = refused(labels.client.put_project_policy, ProjectArn=project, PolicyName="one-more", PolicyDocument=policy())
    assert code(full) == ("ServiceQuotaExceededException", 400)
    assert put(labels, project, "policy-0", PolicyRevisionId=revisions[0])
    paginator = labels.client.get_paginator("list_project_policies")
    pages = [*paginator.paginate(ProjectArn=project, PaginationConfig={"PageSize": 2})]
    assert [[one["PolicyName"][-1] for one in page["ProjectPolicies"]] for page in pages] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]
    assert "NextToken" not in pages[2]
    assert "NextToken" not in labels.client.list_project_policies(ProjectArn=project)
    token, other = pages[0]["NextToken"], labels.project()
    found = refused(labels.client.list_project_policies, ProjectArn=other, NextToken=token)
    assert code(found) == ("InvalidPaginationTokenException", 400)
    assert code(refused(labels.unchecked.list_project_policies, ProjectArn=project, MaxResults=6))[0] == (
        "ValidationException"
    )


def test_delete(labels: LabelStage) -> None:
    project = labels.project()
    put(labels, project)
    assert set(labels.client.delete_project_policy(ProjectArn=project, PolicyName="copying")) == {"ResponseMetadata"}
    again = refused(labels.client.delete_project_policy, ProjectArn=project, PolicyName="copying")
    assert code(again) == ("ResourceNotFoundException", 400)
    put(labels, project)
    assert labels.client.delete_project(ProjectArn=project)["Status"] == "DELETING", "policies go with their project"


def test_projects_that_are_not_there(labels: LabelStage) -> None:
    absent = labels.project().rpartition("/")[0] + "/1"
    client = labels.client
    for found in (
        refused(client.put_project_policy, ProjectArn=absent, PolicyName="p", PolicyDocument=policy()),
        refused(client.list_project_policies, ProjectArn=absent),
        refused(client.delete_project_policy, ProjectArn=absent, PolicyName="p"),
    ):
        assert code(found) == ("ResourceNotFoundException", 400)


@pytest.mark.parametrize(
    "given",
    [
        {"PolicyName": "a b"},
        {"PolicyDocument": "犬"},
        {"PolicyDocument": " " * 2001},
        {"PolicyRevisionId": "xyz"},
    ],
    ids=["name", "characters", "length", "revision"],
)
def test_constraints_of_the_model(labels: LabelStage, given: dict[str, str]) -> None:
    members = {"ProjectArn": labels.project(), "PolicyName": "p", "PolicyDocument": policy()} | given
    assert code(refused(labels.unchecked.put_project_policy, **members)) == ("ValidationException", 400)
