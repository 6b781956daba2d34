"""From an endpoint configuration to what an endpoint runs: everything copied, so that both may be deleted."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from relook.aws.operation import Members
from relook.core.deployments import AsyncInference, Capture, CapturePart, Deployment, Routing, Variant
from relook.core.endpoint_states import CHANGING, RUNNING
from relook.core.names import Scope
from relook.services.sagemaker.errors import could_not_find, limit_exceeded
from relook.services.sagemaker.models import resolve
from relook.services.sagemaker.names import Kind, arn_of
from relook.store import sagemaker_documents as documents
from relook.store import sagemaker_endpoints as endpoints
from relook.store.sagemaker_documents import DocumentKind
from relook.store.sagemaker_endpoints import Endpoint

LIMIT = "Number of instances across all active endpoints"


def deployment_of(connection: Connection, scope: Scope, config: str, now: int) -> Deployment:
    """What a configuration means now. ValidationException where it, or a model that it names, is not there."""
    found = documents.find(connection, scope, DocumentKind.ENDPOINT_CONFIG, config)
    if found is None:
        raise could_not_find("endpoint configuration", arn_of(scope, Kind.ENDPOINT_CONFIG, config))
    members = found.content
    isolated = bool(members.get("EnableNetworkIsolation"))
    variants = tuple(_variant(connection, scope, each, isolated) for each in members["ProductionVariants"])
    return Deployment(
        config=found.name,
        resolved=now,
        variants=variants,
        capture=_capture(members.get("DataCaptureConfig")),
        asynchronous=_asynchronous(members.get("AsyncInferenceConfig")),
    )


def capture_of(connection: Connection, scope: Scope, config: str) -> Capture | None:
    """What a configuration says of data capture; None also where it is not there."""
    found = documents.find(connection, scope, DocumentKind.ENDPOINT_CONFIG, config)
    return _capture(found.content.get("DataCaptureConfig")) if found is not None else None


def check_limit(connection: Connection, wanted: Deployment, most: int, present: Endpoint | None = None) -> None:
    """ResourceLimitExceeded if the machine would have more than `most` instances in all.

    What an update runs twice for a while counts once, in the larger of its sizes.
    """
    rows = endpoints.in_status(connection, RUNNING | CHANGING)
    used = sum(max(row.current.instances, row.wanted.instances) for row in rows)
    before = present.current.instances if present is not None else 0
    more = wanted.instances - before
    if more > 0 and used + more > most:
        raise limit_exceeded(LIMIT, most, used, more)


def _variant(connection: Connection, scope: Scope, given: Members, isolated: bool) -> Variant:
    model = resolve(connection, scope, given["ModelName"])
    strategy = (given.get("RoutingConfig") or {}).get("RoutingStrategy", Routing.LEAST_OUTSTANDING.value)
    return Variant(
        name=given["VariantName"],
        fleet=uuid.uuid4().hex,
        model=replace(model, isolated=model.isolated or isolated),
        weight=float(given.get("InitialVariantWeight", 1.0)),
        count=given.get("InitialInstanceCount", 1),
        instance_type=given.get("InstanceType"),
        routing=Routing(strategy),
        startup=given.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        download=given.get("ModelDataDownloadTimeoutInSeconds"),
    )


_MODES = {
    "Input": (CapturePart.INPUT,),
    "Output": (CapturePart.OUTPUT,),
    "InputAndOutput": (CapturePart.INPUT, CapturePart.OUTPUT),
}


def _capture(given: Members | None) -> Capture | None:
    if not given:
        return None
    parts = {part for option in given["CaptureOptions"] for part in _MODES[option["CaptureMode"]]}
    types: dict[str, Any] = given.get("CaptureContentTypeHeader") or {}
    return Capture(
        enabled=bool(given.get("EnableCapture", True)),
        percentage=given["InitialSamplingPercentage"],
        destination=given["DestinationS3Uri"],
        parts=tuple(part for part in CapturePart if part in parts),
        csv=tuple(types.get("CsvContentTypes") or ()),
        json=tuple(types.get("JsonContentTypes") or ()),
    )


def _asynchronous(given: Members | None) -> AsyncInference | None:
    if not given:
        return None
    output, client = given["OutputConfig"], given.get("ClientConfig") or {}
    return AsyncInference(
        output=output.get("S3OutputPath"),
        failure=output.get("S3FailurePath"),
        concurrency=client.get("MaxConcurrentInvocationsPerInstance"),
    )
