"""How Lookout for Vision names its resources."""

from __future__ import annotations

import re
from dataclasses import dataclass

from relook.core.identity import PARTITION, Arn

SERVICE = "lookoutvision"
LATEST = "latest"
_MODEL = re.compile(r"model/(?P<project>[a-zA-Z0-9][a-zA-Z0-9_\-]{0,254})/(?P<version>[1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and region that hold a resource."""

    account: str
    region: str


@dataclass(frozen=True, slots=True)
class ModelName:
    """One model, in full."""

    scope: Scope
    project: str
    version: int

    def __str__(self) -> str:
        return model_arn(self.scope, self.project, self.version)


def project_arn(scope: Scope, project: str) -> str:
    return str(Arn(SERVICE, scope.region, scope.account, f"project/{project}"))


def model_arn(scope: Scope, project: str, version: int) -> str:
    return str(Arn(SERVICE, scope.region, scope.account, f"model/{project}/{version}"))


def parse_model_arn(text: str) -> ModelName:
    """The model an ARN names; ValueError says what a model's ARN looks like."""
    try:
        arn = Arn.parse(text)
    except ValueError:
        arn = None
    found = _MODEL.fullmatch(arn.resource) if arn is not None else None
    if arn is None or found is None or arn.service != SERVICE or arn.partition != PARTITION:
        raise ValueError(
            f"{text!r} is not the ARN of a model: "
            f"expected arn:{PARTITION}:{SERVICE}:region:account:model/project-name/version"
        )
    return ModelName(Scope(arn.account, arn.region), found["project"], int(found["version"]))
