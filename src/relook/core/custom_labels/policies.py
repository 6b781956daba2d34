"""Project policies: who may copy a project's model versions to a project of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from relook.core.identity import Principal
from relook.core.policy_documents import PolicyError, statements

ACTION = "rekognition:CopyProjectVersion"
"""All that a project policy can speak of."""
_KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource"}
_FORBIDDEN = {"NotPrincipal", "NotAction", "NotResource"}
_RESOURCE = re.compile(r"\*|arn:[a-z\d-]+:rekognition:[^:]*:[^:]*:.+", re.DOTALL)
_ACCOUNT = re.compile(r"\d{12}")


def check(document: str) -> None:
    """Raises PolicyError, whose message names the first field that is wrong."""
    for statement in statements(document):
        if found := statement.keys() & _FORBIDDEN:
            raise PolicyError(f"A project policy cannot have {min(found)}")
        if "Condition" in statement:
            raise PolicyError("A Condition is not evaluated here; name the principals that are meant")
        if unknown := statement.keys() - _KNOWN:
            raise PolicyError(f"Syntax errors in policy: there is no field {min(unknown)}")
        for name in ("Principal", "Action", "Resource"):
            if not statement.get(name):
                raise PolicyError(f"Each statement of a project policy needs {name}")
        _check_principal(statement["Principal"])
        if set(_texts(statement["Action"], "Action")) != {ACTION}:
            raise PolicyError(f"Action must be {ACTION}")
        for resource in _texts(statement["Resource"], "Resource"):
            if not _RESOURCE.fullmatch(resource):
                raise PolicyError(f"Resource {resource!r} is not the ARN of model versions")


def allows(document: str, principal: Principal, version_arn: str) -> bool:
    """Whether a checked document allows this caller to copy that version, and does not deny it."""
    return "Allow" in _effects(document, principal, version_arn) and not denies(document, principal, version_arn)


def denies(document: str, principal: Principal, version_arn: str) -> bool:
    """Whether a checked document forbids it; a Deny holds for callers of the project's own account, too."""
    return "Deny" in _effects(document, principal, version_arn)


def _effects(document: str, principal: Principal, version_arn: str) -> set[str]:
    return {
        statement["Effect"]
        for statement in statements(document)
        if _means(statement["Principal"], principal)
        and any(_matches(resource, version_arn) for resource in _texts(statement["Resource"], "Resource"))
    }


def _check_principal(given: Any) -> None:
    if given == "*":
        return
    if not isinstance(given, Mapping) or given.keys() - {"AWS"}:
        raise PolicyError('Principal must be "*", or {"AWS": account numbers or ARNs}')
    for one in _texts(given["AWS"], "Principal"):
        if one != "*" and not _ACCOUNT.fullmatch(one) and not one.startswith("arn:"):
            raise PolicyError(f"Invalid principal in policy: {one!r}")


def _means(given: Any, principal: Principal) -> bool:
    if given == "*":
        return True
    whole = ("*", principal.account, principal.arn, f"arn:aws:iam::{principal.account}:root")
    return any(one in whole for one in _texts(given["AWS"], "Principal"))


def _matches(pattern: str, arn: str) -> bool:
    # Brackets mean nothing in policies.
    return fnmatchcase(arn, pattern.replace("[", "[[]"))


def _texts(given: Any, name: str) -> list[str]:
    found = given if isinstance(given, list) else [given]
    if not found or not all(isinstance(one, str) for one in found):
        raise PolicyError(f"{name} must be a string, or a list of strings")
    return found
