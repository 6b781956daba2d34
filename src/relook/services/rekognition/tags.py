"""Tags of projects, datasets and model versions."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core import tags as rules
from relook.core.custom_labels.names import DatasetName, ProjectName, parse_resource
from relook.services.rekognition.errors import invalid, quota_exceeded
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.lookups import (
    arn_in,
    parsed,
    require_dataset,
    require_project,
    require_version,
)
from relook.store import rekognition_tags as tags
from relook.store.engine import Store
from relook.store.rekognition_tags import Kind, Tagged


class Tags:
    """TagResource, UntagResource, ListTagsForResource."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    @operation("TagResource", resource=arn_in("ResourceArn"))
    def tag(self, context: RequestContext, members: Members) -> Members:
        given = _checked(members["Tags"])
        with self._store.write() as connection:
            resource = _require(connection, context, members["ResourceArn"])
            merged = {**tags.of(connection, resource), **given}
            if len(merged) > self._limits.tags:
                message = f"it would have {len(merged)} tags; the most is {self._limits.tags}; remove some first"
                raise quota_exceeded(f"{members['ResourceArn']}: {message}")
            tags.replace(connection, resource, merged)
        return {}

    @operation("UntagResource", resource=arn_in("ResourceArn"))
    def untag(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            tags.remove(connection, _require(connection, context, members["ResourceArn"]), members["TagKeys"])
        return {}

    @operation("ListTagsForResource", resource=arn_in("ResourceArn"))
    def list(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            return {"Tags": tags.of(connection, _require(connection, context, members["ResourceArn"]))}


def tag_new(connection: Connection, resource: Tagged, members: Members, limits: Limits) -> None:
    """Give a resource that was made just now the Tags it was made with. InvalidParameterException."""
    given = _checked(members.get("Tags", {}))
    if len(given) > limits.tags:
        raise invalid(f"Tags holds {len(given)} tags; a resource has at most {limits.tags}")
    tags.replace(connection, resource, given)


def _checked(given: Mapping[str, str]) -> dict[str, str]:
    try:
        return rules.tag_map(given.items())
    except rules.TagError as error:
        raise invalid(str(error)) from None


def _require(connection: Connection, context: RequestContext, arn: str) -> Tagged:
    name = parsed(parse_resource, arn)
    if isinstance(name, ProjectName):
        return Tagged(Kind.PROJECT, require_project(connection, context, arn).id)
    if isinstance(name, DatasetName):
        return Tagged(Kind.DATASET, require_dataset(connection, context, arn).id)
    return Tagged(Kind.VERSION, require_version(connection, context, arn).id)
