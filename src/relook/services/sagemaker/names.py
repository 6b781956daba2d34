"""How SageMaker names its resources: by name or by ARN, in which the name is in lower case.

Names are compared without case, since two that differ in case alone would share an ARN: rows are found by `key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from relook.aws.operation import Members, RequestContext, ResourceOf
from relook.core.identity import Arn
from relook.core.names import Scope
from relook.services.sagemaker.errors import validation

SERVICE = "sagemaker"


class Kind(StrEnum):
    """The resource types of ARNs."""

    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ENDPOINT = "endpoint"
    TRAINING_JOB = "training-job"
    TRANSFORM_JOB = "transform-job"
    ALGORITHM = "algorithm"
    MODEL_PACKAGE = "model-package"
    MODEL_PACKAGE_GROUP = "model-package-group"


@dataclass(frozen=True, slots=True)
class ResourceName:
    """One resource; `key` is its name in lower case, for a versioned model package `group/version`."""

    scope: Scope
    kind: str
    key: str

    def __str__(self) -> str:
        return str(Arn(SERVICE, self.scope.region, self.scope.account, f"{self.kind}/{self.key}"))


def scope_of(context: RequestContext) -> Scope:
    return Scope(context.account, context.region)


def key_of(name: str) -> str:
    return name.lower()


def arn_of(scope: Scope, kind: Kind, name: str) -> str:
    """The ARN of a resource; `name` in any case, `group/version` for a versioned model package."""
    return str(ResourceName(scope, kind, key_of(name)))


def parse_arn(text: str) -> ResourceName:
    """What an ARN names; ValueError when it is none of SageMaker's."""
    arn = Arn.parse(text)
    kind, slash, name = arn.resource.partition("/")
    if arn.service != SERVICE or not slash or not name:
        raise ValueError(f"{text!r} is not the ARN of a SageMaker resource: expected arn:aws:sagemaker:..:kind/name")
    return ResourceName(Scope(arn.account, arn.region), kind, key_of(name))


def named(context: RequestContext, kind: Kind, given: str) -> ResourceName:
    """What a member that takes a name or an ARN means; ValidationException for the ARN of another kind of thing."""
    if not given.startswith("arn:"):
        return ResourceName(scope_of(context), kind, key_of(given))
    try:
        found = parse_arn(given)
    except ValueError as error:
        raise validation(str(error)) from None
    if found.kind != kind:
        raise validation(f"{given} is the ARN of a {found.kind}; give the name or ARN of a {kind}")
    return found


def resource(kind: Kind, member: str) -> ResourceOf:
    """The ARN that policies speak of, from a member that holds a name or an ARN; "*" when it is not given."""

    def find(context: RequestContext, members: Members) -> str:
        given = members.get(member)
        if not given:
            return "*"
        return str(given) if given.startswith("arn:") else arn_of(scope_of(context), kind, given)

    return find
