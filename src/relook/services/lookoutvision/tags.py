"""Tags. Of all resources of Lookout for Vision, models alone can be tagged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core import tags as rules
from relook.core.names import parse_model_arn
from relook.services.lookoutvision.errors import Quota, ResourceType, not_found, quota_exceeded, validation
from relook.services.lookoutvision.limits import Limits
from relook.services.lookoutvision.lookups import model_id, scope_of
from relook.store import lookoutvision_models as models
from relook.store import lookoutvision_tags as tags
from relook.store.engine import Store
from relook.store.lookoutvision_models import Model


def _named(context: RequestContext, members: Members) -> str:
    return str(members["ResourceArn"])


class Tags:
    """TagResource, UntagResource, ListTagsForResource."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    @operation("TagResource", resource=_named)
    def tag(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            model = _require_model(connection, context, members["ResourceArn"])
            given = tag_map(members["Tags"])
            merged = {**tags.of_model(connection, model.id), **given}
            check_count(merged, self._limits, model_id(model.name.project, model.name.version))
            tags.replace(connection, model.id, merged)
        return {}

    @operation("UntagResource", resource=_named)
    def untag(self, context: RequestContext, members: Members) -> Members:
        with self._store.write() as connection:
            model = _require_model(connection, context, members["ResourceArn"])
            tags.remove(connection, model.id, members["TagKeys"])
        return {}

    @operation("ListTagsForResource", resource=_named)
    def list(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            model = _require_model(connection, context, members["ResourceArn"])
            found = tags.of_model(connection, model.id)
        return {"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}


def tag_map(given: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A TagList as a mapping; ValidationException for a key that is there twice or reserved."""
    try:
        return rules.tag_map((tag["Key"], tag["Value"]) for tag in given)
    except rules.TagError as error:
        raise validation(str(error)) from None


def check_count(wanted: Mapping[str, str], limits: Limits, model: str) -> None:
    """ServiceQuotaExceededException if these are more tags than a model may have."""
    if len(wanted) > limits.tags:
        message = f"Model {model} would have {len(wanted)} tags; the most is {limits.tags}; remove some first"
        raise quota_exceeded(Quota.TAGS, ResourceType.MODEL, model, message)


def _require_model(connection: Connection, context: RequestContext, arn: str) -> Model:
    try:
        name = parse_model_arn(arn)
    except ValueError as error:
        raise validation(f"ResourceArn: {error}. Only models can be tagged") from None
    model = models.find(connection, name) if name.scope == scope_of(context) else None
    if model is None:
        message = f"Model {arn} does not exist in {context.region} for account {context.account}"
        raise not_found(ResourceType.MODEL, arn, message)
    return model
