"""Endpoint configurations: CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import as_datetime
from relook.core.names import Scope
from relook.services.sagemaker.errors import already_existing, could_not_find
from relook.services.sagemaker.lists import listed
from relook.services.sagemaker.models import require_model
from relook.services.sagemaker.names import Kind, ResourceName, arn_of, resource, scope_of
from relook.services.sagemaker.tags import create_tags, drop_tags
from relook.services.sagemaker.variant_rules import check_configuration
from relook.store import sagemaker_documents as documents
from relook.store.engine import Store
from relook.store.sagemaker_documents import Document, DocumentKind, of_kind
from relook.store.tables.sagemaker_models import documents as table

_CONFIG = resource(Kind.ENDPOINT_CONFIG, "EndpointConfigName")
_WHAT = "endpoint configuration"
_ECHOED = ("EndpointConfigName", "DataCaptureConfig", "AsyncInferenceConfig", "ExecutionRoleArn")


class EndpointConfigs:
    """They never change; an endpoint keeps a copy, so that one may be deleted under it."""

    tagged_kind = Kind.ENDPOINT_CONFIG

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("CreateEndpointConfig", resource=_CONFIG)
    def create(self, context: RequestContext, members: Members) -> Members:
        name, scope = members["EndpointConfigName"], scope_of(context)
        arn = arn_of(scope, Kind.ENDPOINT_CONFIG, name)
        check_configuration(members)
        with self._store.write() as connection:
            if documents.find(connection, scope, DocumentKind.ENDPOINT_CONFIG, name) is not None:
                raise already_existing(_WHAT, arn)
            for variant in members["ProductionVariants"]:
                require_model(connection, scope, variant["ModelName"])
            content = _described(members)
            documents.create(connection, scope, DocumentKind.ENDPOINT_CONFIG, name, content, context.now)
            create_tags(connection, arn, members)
        return {"EndpointConfigArn": arn}

    @operation("DescribeEndpointConfig", resource=_CONFIG)
    def describe(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            found = require_config(connection, scope_of(context), members["EndpointConfigName"])
        return {**found.content, **_dated(found)}

    @operation("ListEndpointConfigs")
    def list(self, context: RequestContext, members: Members) -> Members:
        with self._store.read() as connection:
            rows, token = listed(connection, context, members, table, of_kind(DocumentKind.ENDPOINT_CONFIG))
        summaries = [{"EndpointConfigName": row.name, **_dated(documents.document(row))} for row in rows]
        return {"EndpointConfigs": summaries, **token}

    @operation("DeleteEndpointConfig", resource=_CONFIG)
    def delete(self, context: RequestContext, members: Members) -> Members | None:
        with self._store.write() as connection:
            found = require_config(connection, scope_of(context), members["EndpointConfigName"])
            documents.remove(connection, found.id)
            drop_tags(connection, arn_of(found.scope, Kind.ENDPOINT_CONFIG, found.name))
        return None

    def holds(self, connection: Connection, name: ResourceName) -> bool:
        return documents.find(connection, name.scope, DocumentKind.ENDPOINT_CONFIG, name.key) is not None


def require_config(connection: Connection, scope: Scope, name: str) -> Document:
    """Its `content` is what DescribeEndpointConfig says, defaults filled in. ValidationException if it is not there."""
    found = documents.find(connection, scope, DocumentKind.ENDPOINT_CONFIG, name)
    if found is None:
        raise could_not_find(_WHAT, arn_of(scope, Kind.ENDPOINT_CONFIG, name))
    return found


def _described(members: Members) -> dict[str, Any]:
    variants = [{"InitialVariantWeight": 1.0, **each} for each in members["ProductionVariants"]]
    return {
        **{name: members[name] for name in _ECHOED if members.get(name)},
        "ProductionVariants": variants,
        "EnableNetworkIsolation": bool(members.get("EnableNetworkIsolation")),
    }


def _dated(found: Document) -> dict[str, Any]:
    arn = arn_of(found.scope, Kind.ENDPOINT_CONFIG, found.name)
    return {"EndpointConfigArn": arn, "CreationTime": as_datetime(found.created)}
