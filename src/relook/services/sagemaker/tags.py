"""Tags of every kind of resource: AddTags, ListTags, DeleteTags, and what creating and deleting operations need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core import tags as rules
from relook.services.sagemaker.errors import does_not_exist, validation
from relook.services.sagemaker.names import Kind, ResourceName, parse_arn, scope_of
from relook.store import sagemaker_tags as rows
from relook.store.engine import Store

_MOST = 50


@runtime_checkable
class Taggable(Protocol):
    """A noun whose resources can be tagged."""

    @property
    def tagged_kind(self) -> Kind:
        """What their ARNs say."""
        ...

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        """Whether there is this one; `name` is of `tagged_kind` and in the caller's account and region."""
        ...


def _named(context: RequestContext, members: Members) -> str:
    return str(members["ResourceArn"])


class Tags:
    """The three operations, over the nouns that can be tagged."""

    def __init__(self, store: Store, nouns: Iterable[object]) -> None:
        self._store = store
        self._nouns = {noun.tagged_kind.value: noun for noun in nouns if isinstance(noun, Taggable)}

    @operation("AddTags", resource=_named)
    def add(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            arn = self._require(connection, context, members["ResourceArn"])
            merged = rows.of(connection, arn) | tag_map(members["Tags"])
            if len(merged) > _MOST:
                raise validation(f"{arn} would have {len(merged)} tags; the most is {_MOST}; remove some first")
            rows.replace(connection, arn, merged)
        return {"Tags": _listed(merged)}

    @operation("ListTags", resource=_named)
    def list(self, context: RequestContext, members: Members) -> Members:
        """All in one page: MaxResults may not be less than the tags a resource can have."""
        if members.get("NextToken"):
            raise validation("NextToken is not one that ListTags gave out: all tags come in one page")
        with self._store.read() as connection:
            found = rows.of(connection, self._require(connection, context, members["ResourceArn"]))
        return {"Tags": _listed(found)}

    @operation("DeleteTags", resource=_named)
    def delete(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            rows.remove(connection, self._require(connection, context, members["ResourceArn"]), members["TagKeys"])
        return {}

    def _require(self, connection: Connection, context: RequestContext, arn: str) -> str:
        try:
            name = parse_arn(arn)
        except ValueError as error:
            raise validation(f"ResourceArn: {error}") from None
        noun = self._nouns.get(name.kind)
        if noun is None:
            known = ", ".join(sorted(self._nouns))
            raise validation(f"ResourceArn: a {name.kind} cannot be tagged here; what can be is {known}")
        if name.scope != scope_of(context) or not noun.holds(connection, name):
            raise does_not_exist("Resource", arn)
        return str(name)


def create_tags(connection: Connection, arn: str, members: Members) -> None:
    """Give a new resource the `Tags` of the request that creates it, and nothing left of one before it."""
    rows.replace(connection, arn, tag_map(members.get("Tags") or ()))


def drop_tags(connection: Connection, arn: str) -> None:
    """When the resource is deleted."""
    rows.replace(connection, arn, {})


def tag_map(given: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A TagList as a mapping; ValidationException for a key that is there twice or reserved."""
    try:
        return rules.tag_map((tag["Key"], tag["Value"]) for tag in given)
    except rules.TagError as error:
        raise validation(str(error)) from None


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
