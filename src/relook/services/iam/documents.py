"""What a policy document must look like to be kept. What it grants is nobody's business yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from relook.services.iam.errors import malformed_policy

_VERSIONS = ("2012-10-17", "2008-10-17")
_TOP = {"Version", "Id", "Statement"}
_COMMON = {"Sid", "Effect", "Action", "NotAction", "Condition"}
_PRINCIPALS = {"Principal", "NotPrincipal"}
_RESOURCES = {"Resource", "NotResource"}


def check_trust(text: str) -> None:
    """A policy that says who may assume a role: with principals and no resources. MalformedPolicyDocument."""
    for statement in _statements(text):
        _check(statement, needs=_PRINCIPALS, prohibits=_RESOURCES)


def check_permissions(text: str) -> None:
    """A policy that says what may be done: with resources and no principals. MalformedPolicyDocument."""
    for statement in _statements(text):
        _check(statement, needs=_RESOURCES, prohibits=_PRINCIPALS)


def _statements(text: str) -> list[Mapping[str, Any]]:
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise malformed_policy("This policy contains invalid Json") from None
    if not isinstance(policy, dict) or not policy.get("Statement"):
        raise malformed_policy("Syntax errors in policy: it must be a JSON object with a Statement")
    if unknown := policy.keys() - _TOP:
        raise malformed_policy(f"Syntax errors in policy: there is no field {min(unknown)}")
    if policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise malformed_policy(f"The policy must contain a valid version string: one of {', '.join(_VERSIONS)}")
    found = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    if not all(isinstance(statement, dict) for statement in found):
        raise malformed_policy("Syntax errors in policy: each Statement must be a JSON object")
    return found


def _check(statement: Mapping[str, Any], *, needs: set[str], prohibits: set[str]) -> None:
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise malformed_policy("Syntax errors in policy: Effect must be Allow or Deny")
    if found := statement.keys() & prohibits:
        raise malformed_policy(f"Has prohibited field {min(found)}")
    if unknown := statement.keys() - _COMMON - needs:
        raise malformed_policy(f"Syntax errors in policy: there is no field {min(unknown)}")
    for names in ({"Action", "NotAction"}, needs):
        given = [name for name in sorted(names) if statement.get(name)]
        if len(given) != 1:
            raise malformed_policy(f"Syntax errors in policy: a statement needs one of {' and '.join(sorted(names))}")
