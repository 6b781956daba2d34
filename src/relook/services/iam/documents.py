"""What a policy document must look like to be kept. What it grants is nobody's business yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.core.policy_documents import PolicyError, statements
from relook.services.iam.errors import malformed_policy

_COMMON = {"Sid", "Effect", "Action", "NotAction", "Condition"}
_PRINCIPALS = {"Principal", "NotPrincipal"}
_RESOURCES = {"Resource", "NotResource"}


def check_trust(text: str) -> None:
    """A policy that says who may assume a role: with principals and no resources. MalformedPolicyDocument."""
    _check_all(text, needs=_PRINCIPALS, prohibits=_RESOURCES)


def check_permissions(text: str) -> None:
    """A policy that says what may be done: with resources and no principals. MalformedPolicyDocument."""
    _check_all(text, needs=_RESOURCES, prohibits=_PRINCIPALS)


def _check_all(text: str, *, needs: set[str], prohibits: set[str]) -> None:
    try:
        for statement in statements(text):
            _check(statement, needs=needs, prohibits=prohibits)
    except PolicyError as error:
        raise malformed_policy(str(error)) from None


def _check(statement: Mapping[str, Any], *, needs: set[str], prohibits: set[str]) -> None:
    if found := statement.keys() & prohibits:
        raise PolicyError(f"Has prohibited field {min(found)}")
    if unknown := statement.keys() - _COMMON - needs:
        raise PolicyError(f"Syntax errors in policy: there is no field {min(unknown)}")
    for names in ({"Action", "NotAction"}, needs):
        given = [name for name in sorted(names) if statement.get(name)]
        if len(given) != 1:
            raise PolicyError(f"Syntax errors in policy: a statement needs one of {' and '.join(sorted(names))}")
