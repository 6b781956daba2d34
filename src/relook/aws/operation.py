"""The seam between the wire and the services: what an operation is given and how it is registered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.model import ServiceModel

from relook.core.identity import Arn, Principal

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is known of a request before its members: who, where, when."""

    account: str
    region: str
    principal: Principal
    request_id: str
    now: int
    """Milliseconds since the epoch, read once for the whole request."""
    endpoint: str
    """Scheme and authority the client used, such as http://127.0.0.1:8484."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Members, and response headers that the API's model does not know of; names in lower case, values in ASCII."""

    members: Members
    headers: Mapping[str, str]


Given = Members | Answer | None
Handler = Callable[[RequestContext, Members], Given | Awaitable[Given]]
ResourceOf = Callable[[RequestContext, Members], str]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class OperationMark:
    name: str
    resource: ResourceOf | None
    action: str | None
    offered: bool


def operation(
    name: str, *, resource: ResourceOf | None = None, action: str | None = None, offered: bool = True
) -> Callable[[F], F]:
    """Mark a method as the handler of the operation `name` of its service.

    `resource` gives the ARN that policies speak of ("*" without it); `action` the IAM action where it differs from
    `<prefix>:<name>`. Plain functions run in a worker thread and may block; coroutine functions run on the event loop
    and must not. Members come in and go out under their wire names; an `Answer` brings headers along. `offered` is
    False for one that only refuses, in better words than the gateway has.
    """

    def mark(function: F) -> F:
        function.__operation__ = OperationMark(name, resource, action, offered)  # type: ignore[attr-defined]
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    handler: Handler
    action: str
    resource: ResourceOf
    offered: bool = True

    def arn(self, context: RequestContext, members: Members) -> str:
        return self.resource(context, members)


class Service:
    """One API: its botocore service model and the handlers registered for it.

    ValueError if two handlers claim an operation, or one names an operation that the model does not have.
    """

    def __init__(self, model: ServiceModel, nouns: Iterable[object], *, iam_prefix: str | None = None) -> None:
        self.model = model
        self.name: str = model.signing_name
        self.operations: dict[str, Operation] = {}
        prefix = iam_prefix or self.name
        known = set(model.operation_names)
        for noun in nouns:
            for attribute in dir(type(noun)):
                mark = getattr(getattr(type(noun), attribute), "__operation__", None)
                if mark is None:
                    continue
                if mark.name not in known or mark.name in self.operations:
                    raise ValueError(f"{self.name}: {mark.name} is not in the model, or registered twice")
                self.operations[mark.name] = Operation(
                    name=mark.name,
                    handler=getattr(noun, attribute),
                    action=mark.action or f"{prefix}:{mark.name}",
                    resource=mark.resource or _any_resource,
                    offered=mark.offered,
                )


def _any_resource(context: RequestContext, members: Members) -> str:
    return "*"


def arn_of(service: str, pattern: str) -> ResourceOf:
    """A resource function from a pattern over members: `arn_of("lookoutvision", "project/{ProjectName}")`."""

    def resource(context: RequestContext, members: Members) -> str:
        return str(Arn(service, context.region, context.account, pattern.format_map(dict(members))))

    return resource
