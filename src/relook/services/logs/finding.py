"""Which log group and streams a request means."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext
from relook.core.identity import Arn
from relook.core.names import Scope
from relook.services.logs.errors import invalid, no_group, no_stream
from relook.store import logs as rows

SERVICE = "logs"
_KIND = "log-group:"
_PAGE = 1000


def scope_of(context: RequestContext) -> Scope:
    return Scope(context.account, context.region)


def group_arn(scope: Scope, name: str) -> str:
    return str(Arn(SERVICE, scope.region, scope.account, f"{_KIND}{name}"))


def stream_arn(scope: Scope, group: str, name: str) -> str:
    return f"{group_arn(scope, group)}:log-stream:{name}"


def group_resource(context: RequestContext, members: Members) -> str:
    """The ARN that policies speak of; "*" where the request names no group, or two."""
    try:
        return group_arn(scope_of(context), _group_name(context, members))
    except ServiceError:  # the operation says so itself
        return "*"


def named_group(connection: Connection, context: RequestContext, members: Members) -> rows.Group:
    """The group that logGroupName or logGroupIdentifier names. InvalidParameterException, ResourceNotFoundException."""
    found = rows.find_group(connection, scope_of(context), _group_name(context, members))
    if found is None:
        raise no_group()
    return found


def named_stream(connection: Connection, group: rows.Group, name: str) -> rows.Stream:
    """ResourceNotFoundException when the group has none of this name."""
    found = rows.find_stream(connection, group.id, name)
    if found is None:
        raise no_stream()
    return found


def chosen_streams(connection: Connection, group: rows.Group, members: Members) -> dict[int, str]:
    """Names by id: those of logStreamNames, or those that begin with logStreamNamePrefix, or all."""
    names, prefix = members.get("logStreamNames"), members.get("logStreamNamePrefix")
    if names and prefix:
        raise invalid("logStreamNames and logStreamNamePrefix are both given; give one of them")
    if names:
        found = [named_stream(connection, group, name) for name in dict.fromkeys(names)]
        return {stream.id: stream.name for stream in found}
    return {stream.id: stream.name for stream in _every(connection, group, prefix or "")}


def _every(connection: Connection, group: rows.Group, prefix: str) -> Iterator[rows.Stream]:
    offset = 0
    while page := rows.list_streams(connection, group.id, prefix=prefix, offset=offset, limit=_PAGE):
        yield from page
        offset += len(page)


def _group_name(context: RequestContext, members: Members) -> str:
    name, identifier = members.get("logGroupName"), members.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Give exactly one of logGroupName and logGroupIdentifier")
    if name is not None:
        return str(name)
    if not str(identifier).startswith("arn:"):
        return str(identifier)
    try:
        arn = Arn.parse(str(identifier))
    except ValueError as error:
        raise invalid(f"logGroupIdentifier: {error}") from None
    if arn.service != SERVICE or not arn.resource.startswith(_KIND):
        raise invalid("logGroupIdentifier is an ARN, but of no log group: expected arn:aws:logs:..:log-group:name")
    if Scope(arn.account, arn.region) != scope_of(context):
        raise no_group()
    return arn.resource.removeprefix(_KIND).removesuffix(":*")
