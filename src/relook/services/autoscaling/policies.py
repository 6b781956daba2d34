"""Scaling policies: target tracking on the invocations of each instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.identity import Arn
from relook.core.scaling import Tracking
from relook.services.autoscaling.errors import no_policy, no_target, validation
from relook.services.autoscaling.resources import (
    DIMENSION,
    NAMESPACE,
    listed_here,
    named,
    next_token,
    page_of,
    scope_of,
)
from relook.store import autoscaling as rows
from relook.store.autoscaling import Policy
from relook.store.engine import Store

_TYPE = "TargetTrackingScaling"
_METRIC = "SageMakerVariantInvocationsPerInstance"
_CONFIGURATION = "TargetTrackingScalingPolicyConfiguration"
_MOST_POLICIES = 50
_REFUSED = ("StepScalingPolicyConfiguration", "PredictiveScalingPolicyConfiguration")


class Policies:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("PutScalingPolicy")
    def put(self, context: RequestContext, members: Members) -> Members:
        resource, scope, name = named(members), scope_of(context), members["PolicyName"]
        with self._store.write() as connection:
            target = rows.find_target(connection, scope, resource)
            if target is None:
                raise no_target(resource, DIMENSION)
            there = {policy.name for policy in rows.policies_of(connection, target)}
            _check(members, known=name in there)
            if name not in there and len(there) >= _MOST_POLICIES:
                raise validation(f"{resource} has {_MOST_POLICIES} scaling policies, the most; delete one first")
            policy = rows.put_policy(connection, target, name, dict(members[_CONFIGURATION]), context.now)
        return {"PolicyARN": _arn(context, policy), "Alarms": []}

    @operation("DeleteScalingPolicy")
    def delete(self, context: RequestContext, members: Members) -> Members:
        resource, name = named(members), members["PolicyName"]
        with self._store.write() as connection:
            target = rows.find_target(connection, scope_of(context), resource)
            if target is None or not rows.remove_policy(connection, target, name):
                raise no_policy(resource, DIMENSION, name)
        return {}

    @operation("DescribeScalingPolicies")
    def describe(self, context: RequestContext, members: Members) -> Members:
        what, after, limit = page_of(context, members, "policies")
        if not listed_here(members):
            return {"ScalingPolicies": []}
        with self._store.read() as connection:
            found = rows.list_policies(
                connection,
                scope_of(context),
                resources=[members["ResourceId"]] if members.get("ResourceId") else (),
                names=members.get("PolicyNames") or (),
                after=after,
                limit=limit + 1,
            )
        answer: dict[str, Any] = {"ScalingPolicies": [_told(context, policy) for policy in found[:limit]]}
        if len(found) > limit:
            answer["NextToken"] = next_token(what, found[limit - 1].id)
        return answer


def tracking_of(configuration: Mapping[str, Any]) -> Tracking:
    """The rule that a stored configuration stands for."""
    given = {
        "out_cooldown": configuration.get("ScaleOutCooldown"),
        "in_cooldown": configuration.get("ScaleInCooldown"),
    }
    cooldowns = {name: value for name, value in given.items() if value is not None}
    return Tracking(configuration["TargetValue"], scales_in=not configuration.get("DisableScaleIn"), **cooldowns)


def _check(members: Members, *, known: bool) -> None:
    for name in _REFUSED:
        if members.get(name):
            raise validation(f"{name} is not offered by this server: give {_CONFIGURATION}")
    kind = members.get("PolicyType", _TYPE if known else "StepScaling")
    if kind != _TYPE:
        raise validation(f"PolicyType {kind} is not offered by this server: give {_TYPE}")
    configuration = members.get(_CONFIGURATION)
    if configuration is None:
        raise validation(f"{_CONFIGURATION} is needed for PolicyType {_TYPE}")
    if configuration.get("CustomizedMetricSpecification"):
        raise validation(f"CustomizedMetricSpecification is not offered by this server: it knows {_METRIC} alone")
    metric = configuration.get("PredefinedMetricSpecification") or {}
    if metric.get("PredefinedMetricType", "") != _METRIC:
        given = metric.get("PredefinedMetricType") or "none"
        raise validation(f"PredefinedMetricType {given} is not offered by this server: give {_METRIC}")
    if metric.get("ResourceLabel"):
        raise validation(f"ResourceLabel does not go with {_METRIC}: leave it out")
    if not 0 < configuration["TargetValue"] < 1e9:
        raise validation("TargetValue must be more than 0, and less than a thousand million")
    for name in ("ScaleOutCooldown", "ScaleInCooldown"):
        if configuration.get(name, 0) < 0:
            raise validation(f"{name} must be 0 or more seconds")


def _arn(context: RequestContext, policy: Policy) -> str:
    name = f"scalingPolicy:{policy.unique_id}:resource/{NAMESPACE}/{policy.resource}:policyName/{policy.name}"
    return str(Arn("autoscaling", context.region, context.account, name))


def _told(context: RequestContext, policy: Policy) -> dict[str, Any]:
    return {
        "PolicyARN": _arn(context, policy),
        "PolicyName": policy.name,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": policy.resource,
        "ScalableDimension": DIMENSION,
        "PolicyType": _TYPE,
        _CONFIGURATION: dict(policy.configuration),
        "Alarms": [],
        "CreationTime": as_datetime(policy.created),
    }
