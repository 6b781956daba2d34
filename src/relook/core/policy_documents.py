"""What every policy document is: JSON of a known version with statements that allow or deny."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_VERSIONS = ("2012-10-17", "2008-10-17")
_TOP = {"Version", "Id", "Statement"}


class PolicyError(ValueError):
    """A document that cannot be kept; the message says why and is for the user."""


def statements(text: str) -> list[Mapping[str, Any]]:
    """The statements of a document, one at least, each with an Effect of Allow or Deny. Raises PolicyError."""
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise PolicyError("This policy contains invalid Json") from None
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise PolicyError("Syntax errors in policy: it must be a JSON object with a Statement")
    if not policy["Statement"]:
        raise PolicyError("Syntax errors in policy: its Statement is empty; there must be one statement at least")
    if unknown := policy.keys() - _TOP:
        raise PolicyError(f"Syntax errors in policy: there is no field {min(unknown)}")
    if policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise PolicyError(f"The policy must contain a valid version string: one of {', '.join(_VERSIONS)}")
    found = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    if not all(isinstance(statement, dict) for statement in found):
        raise PolicyError("Syntax errors in policy: each Statement must be a JSON object")
    if any(statement.get("Effect") not in ("Allow", "Deny") for statement in found):
        raise PolicyError("Syntax errors in policy: Effect must be Allow or Deny")
    return found
