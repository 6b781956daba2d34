"""What can be scaled: the instances of a production variant, named `endpoint/<name>/variant/<name>`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext
from relook.core.names import Scope
from relook.core.paging import TokenError, decode_token, encode_token
from relook.core.scaling import VariantState
from relook.services.autoscaling.errors import invalid_token, validation

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[a-zA-Z0-9-]{1,63})/variant/(?P<variant>[a-zA-Z0-9-]{1,63})")
_MOST_LISTED = 50


class Scalable(Protocol):
    """What runs the variants. Callable from any thread."""

    def state(self, scope: Scope, endpoint: str, variant: str) -> VariantState | None:
        """None when there is none of that name."""
        ...

    def scale(
        self, scope: Scope, endpoint: str, variant: str, count: int, record: Callable[[Connection], None]
    ) -> None:
        """Want so many instances, and have `record` write what it has to in the same transaction. ServiceError."""
        ...

    def invocations(self, scope: Scope, endpoint: str, variant: str, minutes: int) -> list[float]:
        """Per instance, of each of the last whole minutes, oldest first."""
        ...


class VariantName(NamedTuple):
    endpoint: str
    variant: str


def scope_of(context: RequestContext) -> Scope:
    return Scope(context.account, context.region)


def variant_of(resource: str) -> VariantName:
    """ValidationException for a resource id of another form."""
    found = _RESOURCE.fullmatch(resource)
    if found is None:
        raise validation(f"ResourceId {resource!r} is none of SageMaker's: expected endpoint/<name>/variant/<name>")
    return VariantName(found["endpoint"], found["variant"])


def named(members: Members) -> str:
    """The resource id of a request on one target; ValidationException for what is not scaled here."""
    for name, ours in (("ServiceNamespace", NAMESPACE), ("ScalableDimension", DIMENSION)):
        if members[name] != ours:
            raise validation(f"{name} {members[name]} is not offered by this server: it scales {ours}")
    variant_of(members["ResourceId"])
    return str(members["ResourceId"])


def listed_here(members: Members) -> bool:
    """Whether a list can hold anything: targets are SageMaker's, of one dimension."""
    if members.get("ScalableDimension") and not (members.get("ResourceId") or members.get("ResourceIds")):
        raise validation("ScalableDimension needs a resource ID; give one, or leave it out")
    return (members["ServiceNamespace"], members.get("ScalableDimension", DIMENSION)) == (NAMESPACE, DIMENSION)


def page_of(context: RequestContext, members: Members, kind: str) -> tuple[tuple[str, ...], int, int]:
    """What makes the list what it is, the id that the page begins beyond (0 for the first), and its length."""
    limit = members.get("MaxResults") or _MOST_LISTED
    if not 1 <= limit <= _MOST_LISTED:
        raise validation(f"MaxResults must be between 1 and {_MOST_LISTED}")
    asked = sorted(f"{name}={value}" for name, value in members.items() if name not in ("MaxResults", "NextToken"))
    what = (context.account, context.region, kind, *asked)
    try:
        after = decode_token(what, members["NextToken"]) if members.get("NextToken") else 0
    except TokenError:
        raise invalid_token() from None
    return what, after, limit


def next_token(what: tuple[str, ...], last: int) -> str:
    return encode_token(what, last)
