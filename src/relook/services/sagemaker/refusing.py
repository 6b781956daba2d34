"""Members that ask for what is not there: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.services.sagemaker.errors import no_keys, not_offered


def refuse(members: Mapping[str, Any], refusals: Mapping[str, str], path: str = "") -> None:
    """ValidationException if any of the members that `refusals` names is given with a value that means something.

    `refusals` says for each what to do instead; `path` is where the members stand, such as `ProductionVariants.1`.
    False, empty text and empty structures mean nothing.
    """
    for name, fix in refusals.items():
        if members.get(name):
            raise not_offered(_joined(path, name), fix)


def refuse_keys(members: Mapping[str, Any], path: str = "", member: str = "KmsKeyId") -> None:
    """ValidationException for a KMS key that is not empty: without keys, taking it would promise what is not done."""
    if members.get(member):
        raise no_keys(_joined(path, member))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
