"""DescribeLogGroups and DescribeLogStreams."""

from __future__ import annotations

from typing import Any

from relook.aws.operation import Members, RequestContext, operation
from relook.core.paging import Scope as ListScope
from relook.core.paging import TokenError, decode_cursor, decode_token, encode_cursor, encode_token
from relook.services.logs.errors import invalid, invalid_token
from relook.services.logs.finding import group_arn, group_resource, named_group, scope_of, stream_arn
from relook.store import logs as rows
from relook.store.engine import Store

_DEFAULT = 50
_CLASS = "STANDARD"
_BY_TIME = "LastEventTime"


class Descriptions:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("DescribeLogGroups")
    def groups(self, context: RequestContext, members: Members) -> Members:
        """Groups by name."""
        prefix, pattern = members.get("logGroupNamePrefix") or "", members.get("logGroupNamePattern") or ""
        _check_groups(context, members)
        if members.get("logGroupClass", _CLASS) != _CLASS:
            return {"logGroups": []}
        limit, what = members.get("limit", _DEFAULT), (context.account, context.region, "groups", prefix, pattern)
        scope = scope_of(context)
        with self._store.read() as connection:
            found = rows.list_groups(
                connection,
                scope,
                prefix=prefix,
                contains=pattern,
                after=_name_after(what, members.get("nextToken")),
                limit=limit + 1,
            )
        answer: dict[str, Any] = {"logGroups": [_group(each) for each in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = encode_cursor(what, found[limit - 1].name, 0)
        return answer

    @operation("DescribeLogStreams", resource=group_resource)
    def streams(self, context: RequestContext, members: Members) -> Members:
        """The streams of a group by name, or by the time of their last event."""
        prefix, by_time = members.get("logStreamNamePrefix") or "", members.get("orderBy") == _BY_TIME
        if prefix and by_time:
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        descending, limit = bool(members.get("descending")), members.get("limit", _DEFAULT)
        with self._store.read() as connection:
            group = named_group(connection, context, members)
            what = (context.account, context.region, group.id, prefix, by_time, descending)
            offset = _offset(what, members.get("nextToken"))
            found = rows.list_streams(
                connection,
                group.id,
                prefix=prefix,
                by_last_event=by_time,
                descending=descending,
                offset=offset,
                limit=limit + 1,
            )
        answer: dict[str, Any] = {"logStreams": [_stream(group, each) for each in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = encode_token(what, offset + limit)
        return answer


def _check_groups(context: RequestContext, members: Members) -> None:
    if members.get("logGroupNamePrefix") and members.get("logGroupNamePattern"):
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if members.get("logGroupIdentifiers"):
        raise invalid("logGroupIdentifiers is not offered by this server: give logGroupNamePrefix")
    if members.get("includeLinkedAccounts") or set(members.get("accountIdentifiers") or ()) - {context.account}:
        raise invalid("There are no linked accounts on this server: leave out includeLinkedAccounts and the like")


def _name_after(what: ListScope, token: str | None) -> str:
    if token is None:
        return ""
    try:
        name, _ = decode_cursor(what, token)
    except TokenError:
        raise invalid_token() from None
    return str(name)


def _offset(what: ListScope, token: str | None) -> int:
    try:
        return 0 if token is None else decode_token(what, token)
    except TokenError:
        raise invalid_token() from None


def _group(group: rows.Group) -> dict[str, Any]:
    arn = group_arn(group.scope, group.name)
    return {
        "logGroupName": group.name,
        "creationTime": group.created,
        "retentionInDays": group.retention_days,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": group.stored_bytes,
        "logGroupClass": _CLASS,
    }


def _stream(group: rows.Group, stream: rows.Stream) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first_event,
        "lastEventTimestamp": stream.last_event,
        "lastIngestionTime": stream.last_ingestion,
        "arn": stream_arn(group.scope, group.name, stream.name),
        "storedBytes": stream.stored_bytes,
    }
