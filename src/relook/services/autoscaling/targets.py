"""Scalable targets and what was done with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.identity import Arn
from relook.services.autoscaling.errors import no_target, validation
from relook.services.autoscaling.resources import (
    DIMENSION,
    NAMESPACE,
    Scalable,
    listed_here,
    named,
    next_token,
    page_of,
    scope_of,
    variant_of,
)
from relook.store import autoscaling as rows
from relook.store.autoscaling import Activity, Target
from relook.store.engine import Store

_ROLE = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
_ROLE_NAME = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
_SCHEDULED = "ScheduledScalingSuspended"
_SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", _SCHEDULED)


class Targets:
    def __init__(self, store: Store, scalable: Scalable) -> None:
        self._store = store
        self._scalable = scalable

    @operation("RegisterScalableTarget")
    def register(self, context: RequestContext, members: Members) -> Members:
        """Make a target, or change what is given of the one that is there."""
        resource, scope = named(members), scope_of(context)
        if members.get("Tags"):
            raise validation("Tags are not offered for scalable targets by this server: leave them out")
        if self._scalable.state(scope, *variant_of(resource)) is None:
            raise validation(f"There is no production variant {resource}; create its endpoint first")
        with self._store.write() as connection:
            before = rows.find_target(connection, scope, resource)
            least = members.get("MinCapacity", before.least if before else None)
            most = members.get("MaxCapacity", before.most if before else None)
            _check(least, most)
            given = {"least": least, "most": most}
            if members.get("RoleARN"):
                given["role"] = members["RoleARN"]
            if members.get("SuspendedState") is not None:
                given["suspended"] = dict(before.suspended if before else {}) | dict(members["SuspendedState"])
            target = rows.put_target(connection, scope, resource, context.now, **given)
        return {"ScalableTargetARN": _arn(target)}

    @operation("DeregisterScalableTarget")
    def deregister(self, context: RequestContext, members: Members) -> Members:
        """With its policies."""
        resource = named(members)
        with self._store.write() as connection:
            target = rows.find_target(connection, scope_of(context), resource)
            if target is None:
                raise no_target(resource, DIMENSION)
            rows.remove_target(connection, target.id)
        return {}

    @operation("DescribeScalableTargets")
    def describe(self, context: RequestContext, members: Members) -> Members:
        what, after, limit = page_of(context, members, "targets")
        if not listed_here(members):
            return {"ScalableTargets": []}
        with self._store.read() as connection:
            resources = members.get("ResourceIds") or ()
            found = rows.list_targets(connection, scope_of(context), resources, after=after, limit=limit + 1)
        answer: dict[str, Any] = {"ScalableTargets": [_told(target) for target in found[:limit]]}
        if len(found) > limit:
            answer["NextToken"] = next_token(what, found[limit - 1].id)
        return answer

    @operation("DescribeScalingActivities")
    def activities(self, context: RequestContext, members: Members) -> Members:
        """The newest first. What was left unscaled is not recorded, so asking for it adds nothing."""
        what, before, limit = page_of(context, members, "activities")
        if not listed_here(members):
            return {"ScalingActivities": []}
        resources = [members["ResourceId"]] if members.get("ResourceId") else []
        with self._store.read() as connection:
            found = rows.list_activities(
                connection, scope_of(context), resources, before=before or None, limit=limit + 1
            )
        answer: dict[str, Any] = {"ScalingActivities": [_activity(each) for each in found[:limit]]}
        if len(found) > limit:
            answer["NextToken"] = next_token(what, found[limit - 1].id)
        return answer


def _check(least: int | None, most: int | None) -> None:
    if least is None or most is None:
        raise validation("MinCapacity and MaxCapacity are both needed to register a scalable target")
    if not 0 <= least <= most:
        raise validation(
            f"MinCapacity {least} and MaxCapacity {most} must be 0 or more, the maximum not below the minimum"
        )


def _arn(target: Target) -> str:
    scope = target.scope
    return str(Arn("application-autoscaling", scope.region, scope.account, f"scalable-target/{target.unique_id}"))


def _told(target: Target) -> dict[str, Any]:
    suspended: Mapping[str, bool] = target.suspended
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": target.resource,
        "ScalableDimension": DIMENSION,
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": target.role or str(Arn("iam", "", target.scope.account, f"role/{_ROLE}{_ROLE_NAME}")),
        "CreationTime": as_datetime(target.created),
        "SuspendedState": {name: suspended.get(name, False) for name in _SUSPENSIONS},
        "ScalableTargetARN": _arn(target),
    }


def _activity(activity: Activity) -> dict[str, Any]:
    return {
        "ActivityId": activity.unique_id,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": activity.resource,
        "ScalableDimension": DIMENSION,
        "Description": f"Setting desired instance count to {activity.count}.",
        "Cause": activity.cause,
        "StartTime": as_datetime(activity.started),
        "EndTime": None if activity.ended is None else as_datetime(activity.ended),
        "StatusCode": activity.status,
        "StatusMessage": activity.message,
    }
