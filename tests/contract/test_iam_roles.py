"""IAM's roles through boto3: what the notebooks call, its waiter and paginators, and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lookout_stage import ACCOUNT, Stage, outcome, pages

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
OWN = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
FULL = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
JOB = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"


@pytest.fixture
def iam(stage: Stage) -> Iterator[Any]:
    yield stage.client("iam")
    client = stage.client("iam")  # another one after a restart
    for role in client.list_roles()["Roles"]:
        name = role["RoleName"]
        for policy in client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
            client.delete_role_policy(RoleName=name, PolicyName=policy)
        client.delete_role(RoleName=name)


def make(iam: Any, name: str = "Runner", **more: Any) -> dict[str, Any]:
    given = {"AssumeRolePolicyDocument": json.dumps(TRUST)} | more
    return dict(iam.create_role(RoleName=name, **given)["Role"])


def test_the_way_of_a_notebook(iam: Any) -> None:
    made = make(iam, Path="/service-role/", Description="runs jobs", Tags=[{"Key": "line", "Value": "A"}])
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service-role/Runner"
    iam.get_waiter("role_exists").wait(RoleName="Runner", WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    iam.attach_role_policy(RoleName="Runner", PolicyArn=FULL)
    found = iam.get_role(RoleName="runner")["Role"]
    assert found["AssumeRolePolicyDocument"] == TRUST
    assert {name: found[name] for name in ("RoleId", "Arn", "Path", "Description", "Tags", "CreateDate")} == {
        name: made[name] for name in ("RoleId", "Arn", "Path", "Description", "Tags", "CreateDate")
    }
    assert found["MaxSessionDuration"] == 3600
    assert made["RoleId"].startswith("AROA")


def test_a_role_is_the_same_for_every_region(stage: Stage, iam: Any) -> None:
    """IAM's own clients sign for us-east-1 wherever they are; others may not."""
    made = make(iam)
    assert stage.client("iam", "eu-west-1").get_role(RoleName="Runner")["Role"]["RoleId"] == made["RoleId"]


def test_lists_by_path_and_page(iam: Any) -> None:
    for name, path in (("b", "/"), ("A", "/x/"), ("c", "/x/")):
        make(iam, name, Path=path)
    assert [[role["RoleName"] for role in page] for page in pages(iam, "list_roles", "Roles", 2)] == [["A", "b"], ["c"]]
    assert [role["RoleName"] for role in iam.list_roles(PathPrefix="/x/")["Roles"]] == ["A", "c"]
    marker = iam.list_roles(MaxItems=1)["Marker"]
    assert outcome(iam.list_roles, PathPrefix="/x/", Marker=marker)[0] == "InvalidInput"


def test_attached_policies(iam: Any) -> None:
    make(iam)
    for arn in (JOB, FULL, FULL):
        iam.attach_role_policy(RoleName="Runner", PolicyArn=arn)
    named = {"PaginationConfig": {"PageSize": 1}, "RoleName": "Runner"}
    found = [page["AttachedPolicies"] for page in iam.get_paginator("list_attached_role_policies").paginate(**named)]
    assert found == [
        [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": FULL}],
        [{"PolicyName": "ViewOnlyAccess", "PolicyArn": JOB}],
    ]
    filtered = iam.list_attached_role_policies(RoleName="Runner", PathPrefix="/job-function/")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in filtered] == [JOB]
    assert outcome(iam.delete_role, RoleName="Runner") == (
        "DeleteConflict",
        409,
        "Cannot delete entity, must detach all policies first.",
    )
    iam.detach_role_policy(RoleName="Runner", PolicyArn=JOB)
    assert outcome(iam.detach_role_policy, RoleName="Runner", PolicyArn=JOB)[:2] == ("NoSuchEntity", 404)


def test_policies_of_its_own(iam: Any) -> None:
    make(iam)
    iam.put_role_policy(RoleName="Runner", PolicyName="a-policy-with-a-long-name", PolicyDocument=json.dumps(OWN))
    found = iam.get_role_policy(RoleName="Runner", PolicyName="a-policy-with-a-long-name")
    assert found["PolicyDocument"] == OWN
    assert iam.list_role_policies(RoleName="Runner")["PolicyNames"] == ["a-policy-with-a-long-name"]
    # The name of one kind is not taken for one of the other.
    assert outcome(iam.detach_role_policy, RoleName="Runner", PolicyArn="a-policy-with-a-long-name")[0] == (
        "NoSuchEntity"
    )
    assert outcome(iam.delete_role, RoleName="Runner")[2] == "Cannot delete entity, must delete policies first."
    iam.delete_role_policy(RoleName="Runner", PolicyName="a-policy-with-a-long-name")
    iam.delete_role(RoleName="Runner")
    assert outcome(iam.get_role, RoleName="Runner")[2] == "The role with name Runner cannot be found."


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "invalid Json"),
        ("[]", "must be a JSON object with a Statement"),
        ({}, "must be a JSON object with a Statement"),
        ({"Statement": []}, "its Statement is empty"),
        ({"Statement": ["x"]}, "each Statement must be a JSON object"),
        (TRUST | {"Version": "2020-01-01"}, "valid version string"),
        (TRUST | {"Other": 1}, "there is no field Other"),
        ({"Statement": [TRUST["Statement"][0] | {"Effect": "Maybe"}]}, "Effect must be"),
        ({"Statement": [TRUST["Statement"][0] | {"Resource": "*"}]}, "Has prohibited field Resource"),
        ({"Statement": [{"Effect": "Allow", "Principal": "*"}]}, "needs one of Action and NotAction"),
        ({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}, "needs one of NotPrincipal and Principal"),
    ],
)
def test_trust_that_is_no_policy(iam: Any, document: Any, words: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    code, status, message = outcome(iam.create_role, RoleName="Bad", AssumeRolePolicyDocument=text)
    assert (code, status) == ("MalformedPolicyDocument", 400)
    assert words in message


def test_refusals(stage: Stage, iam: Any) -> None:
    make(iam)
    again = outcome(iam.create_role, RoleName="RUNNER", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert again == ("EntityAlreadyExists", 409, "Role with name RUNNER already exists.")
    boundary = {"PermissionsBoundary": FULL, "AssumeRolePolicyDocument": json.dumps(TRUST)}
    assert outcome(iam.create_role, RoleName="Other", **boundary)[0] == "InvalidInput"
    missing = outcome(iam.attach_role_policy, RoleName="Nobody", PolicyArn=FULL)
    assert missing == ("NoSuchEntity", 404, "The role with name Nobody cannot be found.")
    own = f"arn:aws:iam::{ACCOUNT}:policy/mine"
    assert outcome(iam.attach_role_policy, RoleName="Runner", PolicyArn=own)[0] == "NoSuchEntity"
    no_principal = {"RoleName": "Runner", "PolicyName": "x", "PolicyDocument": json.dumps(TRUST)}
    assert outcome(iam.put_role_policy, **no_principal)[2] == "Has prohibited field Principal"
    code, _, message = outcome(stage.client("iam", checked=False).get_role, RoleName="a b")
    assert code == "ValidationError"
    assert "at 'roleName' failed to satisfy constraint" in message
    assert outcome(iam.list_users)[:2] == ("InvalidAction", 400)


def test_a_server_that_starts_again_has_them(stage: Stage, iam: Any) -> None:
    made = make(iam)
    stage.restart()
    assert stage.client("iam").get_role(RoleName="Runner")["Role"]["RoleId"] == made["RoleId"]
