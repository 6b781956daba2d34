"""What project policies decide: of one document, who may copy which version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from relook.core.custom_labels.policies import ACTION, allows, check, denies
from relook.core.identity import Principal
from relook.core.policy_documents import PolicyError

OWNER, ACCOUNT, OTHER = "111122223333", "444455556666", "777788889999"
ROOT = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIDEXAMPLE")
EVE = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/eve", "AIDAEXAMPLE", "AKIDEXAMPLE")
PROJECT = f"arn:aws:rekognition:eu-west-1:{OWNER}:project/parts"
VERSION = f"{PROJECT}/version/v1/1637500000000"
NEITHER, ALLOWED, DENIED = (False, False), (True, False), (False, True)


def statement(effect: str = "Allow", **changes: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": {"AWS": ACCOUNT}, "Action": ACTION, "Resource": "*", **changes}


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def decided(text: str, principal: Principal = ROOT, version: str = VERSION) -> tuple[bool, bool]:
    """Whether it allows and whether it denies, of a document that could be kept."""
    check(text)
    return allows(text, principal, version), denies(text, principal, version)


RESOURCES: Mapping[str, tuple[Any, bool]] = {
    "this version": (VERSION, True),
    "a list with it": ([f"{PROJECT}/version/v2/*", VERSION], True),
    "everything": ("*", True),
    "as the guide writes it": (f"{PROJECT}/version/v1/*", True),
    "every version": (f"{PROJECT}/version/*", True),
    "every project": (f"arn:aws:rekognition:eu-west-1:{OWNER}:project/*", True),
    "every region and account": ("arn:aws:rekognition:*:*:project/parts/version/v1/*", True),
    "one character": (f"{PROJECT}/version/v?/*", True),
    "the same name, made at another time": (f"{PROJECT}/version/v1/1637500000001", False),
    "another version": (f"{PROJECT}/version/v2/*", False),
    "a longer name": (f"{PROJECT}/version/v10/*", False),
    "a list without it": ([f"{PROJECT}/version/v2/*", f"{PROJECT}/version/v3/*"], False),
    "another project": (f"{PROJECT}-2/version/*", False),
    "another region": (VERSION.replace("eu-west-1", "eu-west-2"), False),
    "another owner": (VERSION.replace(OWNER, OTHER), False),
    "the project itself": (PROJECT, False),
    "less than all of it": (f"{PROJECT}/version/v1", False),
    "no character": (f"{PROJECT}/version/v1?/*", False),
    "other letters": (f"{PROJECT}/version/V1/*", False),
    "brackets": (f"{PROJECT}/version/v[1]/*", False),
}


@pytest.mark.parametrize("name", RESOURCES)
def test_the_resource_names_the_versions_that_are_meant(name: str) -> None:
    given, meant = RESOURCES[name]
    assert decided(document(statement(Resource=given))) == (ALLOWED if meant else NEITHER)
    assert decided(document(statement("Deny", Resource=given))) == (DENIED if meant else NEITHER)


PRINCIPALS: Mapping[str, tuple[Any, bool, bool]] = {
    "account": ({"AWS": ACCOUNT}, True, True),
    "root": ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, True, True),
    "user": ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"}, False, True),
    "anybody": ("*", True, True),
    "any account": ({"AWS": "*"}, True, True),
    "a list with it": ({"AWS": [OTHER, f"arn:aws:iam::{ACCOUNT}:root"]}, True, True),
    "a list with anybody": ({"AWS": [OTHER, "*"]}, True, True),
    "another account": ({"AWS": OTHER}, False, False),
    "another root": ({"AWS": f"arn:aws:iam::{OTHER}:root"}, False, False),
    "a list without it": ({"AWS": [OTHER, f"arn:aws:iam::{OTHER}:root"]}, False, False),
    "the owner": ({"AWS": OWNER}, False, False),
    "another user": ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/adam"}, False, False),
    "a user of this name elsewhere": ({"AWS": f"arn:aws:iam::{OTHER}:user/eve"}, False, False),
    "no wildcards within": ({"AWS": f"arn:aws:iam::{ACCOUNT}:*"}, False, False),
}


@pytest.mark.parametrize("name", PRINCIPALS)
def test_the_principal_names_the_callers_that_are_meant(name: str) -> None:
    given, root, user = PRINCIPALS[name]
    for principal, meant in ((ROOT, root), (EVE, user)):
        assert decided(document(statement(Principal=given)), principal) == (ALLOWED if meant else NEITHER)
        assert decided(document(statement("Deny", Principal=given)), principal) == (DENIED if meant else NEITHER)


@pytest.mark.parametrize("action", [ACTION, [ACTION], [ACTION, ACTION]], ids=["text", "list", "twice"])
def test_the_one_action_there_is(action: Any) -> None:
    assert decided(document(statement(Action=action))) == ALLOWED
    assert decided(document(statement("Deny", Action=action))) == DENIED


@pytest.mark.parametrize(
    "action",
    [
        "*",
        "rekognition:*",
        "rekognition:Copy*",
        "rekognition:copyprojectversion",
        "rekognition:CreateProject",
        [ACTION, "rekognition:*"],
        [ACTION, "rekognition:DetectCustomLabels"],
    ],
    ids=str,
)
def test_no_other_action_can_be_kept(action: Any) -> None:
    """A wildcard would have nothing to stand for, and another action would never be asked for."""
    with pytest.raises(PolicyError, match=f"^Action must be {ACTION}$"):
        check(document(statement(Action=action)))


ELSEWHERE = {"Resource": f"{PROJECT}/version/v2/*"}
OTHERS = {"Principal": {"AWS": OTHER}}
TOGETHER: Mapping[str, tuple[list[Mapping[str, Any]], tuple[bool, bool]]] = {
    "allowed, then denied": ([statement(), statement("Deny")], DENIED),
    "denied, then allowed": ([statement("Deny"), statement()], DENIED),
    "denied by a narrower statement": ([statement(Principal="*"), statement("Deny", Resource=VERSION)], DENIED),
    "allowed by a narrower statement": ([statement("Deny", Principal="*"), statement(Resource=VERSION)], DENIED),
    "another version is denied": ([statement(), statement("Deny", **ELSEWHERE)], ALLOWED),
    "somebody else is denied": ([statement(), statement("Deny", **OTHERS)], ALLOWED),
    "another version is allowed": ([statement(**ELSEWHERE), statement("Deny", **OTHERS)], NEITHER),
    "allowed to somebody else, denied here": ([statement(**OTHERS), statement("Deny")], DENIED),
    "allowed by the second": ([statement(**ELSEWHERE), statement()], ALLOWED),
    "who and what from two statements": ([statement(**ELSEWHERE), statement(**OTHERS)], NEITHER),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_statements_of_one_document_are_taken_together_and_a_denial_wins(name: str) -> None:
    statements, effect = TOGETHER[name]
    assert decided(document(*statements)) == effect


def test_a_statement_may_stand_alone_and_a_document_say_no_version() -> None:
    assert decided(json.dumps({"Statement": statement()})) == ALLOWED
