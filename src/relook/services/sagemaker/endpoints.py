"""Endpoints: they write what is wanted; the controller in `hosting` brings it about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.blobs.interface import Blobs
from relook.core.clock import Clock, system_clock
from relook.core.deployments import VariantProperty, resized, retaining
from relook.core.endpoint_states import CHANGING, EndpointStatus
from relook.core.names import Scope
from relook.services.sagemaker.deploying import capture_of, check_limit, deployment_of
from relook.services.sagemaker.destinations import check_bucket
from relook.services.sagemaker.endpoint_descriptions import description, summary
from relook.services.sagemaker.errors import already_existing, could_not_find, endpoint_in_progress, validation
from relook.services.sagemaker.hosting import Hosting
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, resource, scope_of
from relook.services.sagemaker.refusing import refuse
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.store import sagemaker_endpoints as rows
from relook.store.engine import Store
from relook.store.sagemaker_endpoints import Endpoint
from relook.store.tables.sagemaker_endpoints import endpoints as table

_ENDPOINT = resource(Kind.ENDPOINT, "EndpointName")
_ALL_AT_ONCE = "an update always starts the new instances beside the old, and switches once all answer; leave it out"
_NOT_OFFERED = {"DeploymentConfig": _ALL_AT_ONCE, "RetainDeploymentConfig": _ALL_AT_ONCE}


class Endpoints:
    """`instances` is the most instances of all endpoints together."""

    tagged_kind = Kind.ENDPOINT

    def __init__(
        self, store: Store, blobs: Blobs, hosting: Hosting, *, instances: int = 64, clock: Clock = system_clock
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._hosting = hosting
        self._instances = instances
        self._clock = clock

    @operation("CreateEndpoint", resource=_ENDPOINT)
    def create(self, context: RequestContext, members: Members) -> Members:
        refuse(members, _NOT_OFFERED)
        name, scope = members["EndpointName"], scope_of(context)
        arn = arn_of(scope, Kind.ENDPOINT, name)
        self._check_capture(scope, members["EndpointConfigName"])
        with self._store.write() as connection:
            if rows.find(connection, scope, name) is not None:
                raise already_existing("endpoint", arn)
            deployment = deployment_of(connection, scope, members["EndpointConfigName"], context.now)
            check_limit(connection, deployment, self._instances)
            rows.create(connection, scope, name, deployment, context.now)
            create_tags(connection, arn, members)
        self._hosting.notify()
        return {"EndpointArn": arn}

    @operation("DescribeEndpoint", resource=_ENDPOINT)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            endpoint = require_endpoint(connection, scope_of(context), members["EndpointName"])
        return description(endpoint, self._hosting)

    @operation("ListEndpoints")
    def list(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found, token = listed(connection, context, members, table)
        return {"Endpoints": [summary(rows.endpoint(row)) for row in found], **token}

    @operation("UpdateEndpoint", resource=_ENDPOINT)
    def update(self, context: RequestContext, members: Members) -> Members:
        refuse(members, _NOT_OFFERED)
        scope = scope_of(context)
        excluded = _excluded(members)
        if not members.get("RetainAllVariantProperties") or VariantProperty.CAPTURE in excluded:
            self._check_capture(scope, members["EndpointConfigName"])
        with self._store.write() as connection:
            endpoint = _updatable(connection, scope, members["EndpointName"])
            wanted = deployment_of(connection, scope, members["EndpointConfigName"], context.now)
            if members.get("RetainAllVariantProperties"):
                wanted = retaining(wanted, endpoint.current, excluded)
            check_limit(connection, wanted, self._instances, endpoint)
            rows.change_status(
                connection, endpoint.id, EndpointStatus.UPDATING, context.now, pending=wanted, failure=None
            )
        self._hosting.notify()
        return {"EndpointArn": arn_of(scope, Kind.ENDPOINT, endpoint.name)}

    @operation("UpdateEndpointWeightsAndCapacities", resource=_ENDPOINT)
    def update_weights_and_capacities(self, context: RequestContext, members: Members) -> Members:
        scope = scope_of(context)
        weights: dict[str, float] = {}
        counts: dict[str, int] = {}
        for index, each in enumerate(members["DesiredWeightsAndCapacities"], 1):
            refuse(each, {"ServerlessUpdateConfig": "no variant is serverless"}, f"DesiredWeightsAndCapacities.{index}")
            if each["VariantName"] in weights.keys() | counts.keys():
                raise validation(f"DesiredWeightsAndCapacities names variant {each['VariantName']} twice")
            if each.get("DesiredWeight") is not None:
                weights[each["VariantName"]] = each["DesiredWeight"]
            if each.get("DesiredInstanceCount") is not None:
                counts[each["VariantName"]] = each["DesiredInstanceCount"]
        self._resize(scope, members["EndpointName"], weights, counts, context.now)
        return {"EndpointArn": arn_of(scope, Kind.ENDPOINT, members["EndpointName"])}

    @operation("DeleteEndpoint", resource=_ENDPOINT)
    def delete(self, context: RequestContext, members: Members) -> None:
        """In any status; one that is being deleted goes on being deleted."""
        scope = scope_of(context)
        with self._store.write() as connection:
            endpoint = require_endpoint(connection, scope, members["EndpointName"])
            rows.change_status(connection, endpoint.id, EndpointStatus.DELETING, context.now)
        self._hosting.withdraw(endpoint)
        self._hosting.notify()

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return rows.find(connection, name.scope, name.key) is not None

    def scale(
        self,
        scope: Scope,
        name: str,
        variant: str,
        count: int,
        record: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        """Want so many instances of a variant, for autoscaling; `record` writes in the same transaction.

        Raises ServiceError, as while another change runs.
        """
        self._resize(scope, name, {}, {variant: count}, self._clock(), record)

    def _check_capture(self, scope: Scope, config: str) -> None:
        """Outside of the transaction that writes, which must not wait for another connection."""
        with self._store.read() as connection:
            capture = capture_of(connection, scope, config)
        if capture is not None and capture.enabled:
            check_bucket(self._blobs, scope.account, "DataCaptureConfig.DestinationS3Uri", capture.destination)

    def _resize(
        self,
        scope: Scope,
        name: str,
        weights: Mapping[str, float],
        counts: Mapping[str, int],
        now: int,
        record: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        with self._store.write() as connection:
            endpoint = _updatable(connection, scope, name)
            for variant in weights.keys() | counts.keys():
                if endpoint.current.variant(variant) is None:
                    there = ", ".join(each.name for each in endpoint.current.variants)
                    raise validation(f"Endpoint {name} has no production variant {variant}; it has {there}")
            if endpoint.current.asynchronous is None and 0 in counts.values():
                raise validation("DesiredInstanceCount 0 is for asynchronous endpoints alone; delete the endpoint")
            wanted = resized(endpoint.current, weights, counts)
            if weights and not any(each.weight for each in wanted.variants):
                raise validation(f"Every variant of endpoint {name} would have weight 0; give one more than 0")
            check_limit(connection, wanted, self._instances, endpoint)
            rows.change_status(connection, endpoint.id, EndpointStatus.UPDATING, now, pending=wanted, failure=None)
            record(connection)
        self._hosting.notify()


def require_endpoint(connection: Connection, scope: Scope, name: str) -> Endpoint:
    """ValidationException in the words that clients match on when it is not there."""
    found = rows.find(connection, scope, name)
    if found is None:
        raise could_not_find("endpoint", arn_of(scope, Kind.ENDPOINT, name))
    return found


def drop_endpoint_tags(connection: Connection, endpoint: Endpoint) -> None:
    """For the controller, when it removes an endpoint."""
    drop_tags(connection, arn_of(endpoint.scope, Kind.ENDPOINT, endpoint.name))


def _updatable(connection: Connection, scope: Scope, name: str) -> Endpoint:
    endpoint = require_endpoint(connection, scope, name)
    if endpoint.status in CHANGING:
        raise endpoint_in_progress(arn_of(scope, Kind.ENDPOINT, name))
    if endpoint.status is not EndpointStatus.IN_SERVICE:
        raise validation(f"Endpoint {name} is {endpoint.status.value}: it cannot be updated, only deleted")
    return endpoint


def _excluded(members: Members) -> set[VariantProperty]:
    given: list[dict[str, Any]] = members.get("ExcludeRetainedVariantProperties") or []
    if given and not members.get("RetainAllVariantProperties"):
        raise validation("ExcludeRetainedVariantProperties needs RetainAllVariantProperties; leave it out or set that")
    return {VariantProperty(each["VariantPropertyType"]) for each in given}
