"""What DescribeEndpoint and ListEndpoints say."""

from __future__ import annotations

from typing import Any

from relook.core.clock import as_datetime
from relook.core.deployments import AsyncInference, Capture, Deployment, Variant
from relook.core.endpoint_states import SERVING, EndpointStatus
from relook.services.sagemaker.hosting import Hosting
from relook.services.sagemaker.names import Kind, arn_of
from relook.store.sagemaker_endpoints import Endpoint

_VARIANT_STATUS = {
    EndpointStatus.CREATING: "Creating",
    EndpointStatus.UPDATING: "Updating",
    EndpointStatus.ROLLING_BACK: "Updating",
    EndpointStatus.DELETING: "Deleting",
}


def summary(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": arn_of(endpoint.scope, Kind.ENDPOINT, endpoint.name),
        "CreationTime": as_datetime(endpoint.created),
        "LastModifiedTime": as_datetime(endpoint.modified),
        "EndpointStatus": endpoint.status.value,
    }


def description(endpoint: Endpoint, hosting: Hosting) -> dict[str, Any]:
    """While an update is under way, its configuration is named, and the variants are those that still serve."""
    told = {
        **summary(endpoint),
        "EndpointConfigName": endpoint.wanted.config,
        "ProductionVariants": [_variant(endpoint, each, hosting) for each in endpoint.current.variants],
        "FailureReason": endpoint.failure or hosting.fault(endpoint),
        "DataCaptureConfig": _capture(endpoint),
        "AsyncInferenceConfig": _asynchronous(endpoint.current.asynchronous),
    }
    if endpoint.pending is not None:
        told["PendingDeploymentSummary"] = _pending(endpoint, endpoint.pending, hosting)
    return told


def _variant(endpoint: Endpoint, variant: Variant, hosting: Hosting) -> dict[str, Any]:
    wanted = endpoint.wanted.variant(variant.name) or variant
    told = {
        "VariantName": variant.name,
        "DeployedImages": _images(variant, endpoint.current),
        "CurrentWeight": variant.weight,
        "DesiredWeight": wanted.weight,
        "CurrentInstanceCount": hosting.present(endpoint, variant),
        "DesiredInstanceCount": wanted.count,
    }
    status = _VARIANT_STATUS.get(endpoint.status)
    if status is not None:
        told["VariantStatus"] = [{"Status": status, "StartTime": as_datetime(endpoint.modified)}]
    return told


def _pending(endpoint: Endpoint, pending: Deployment, hosting: Hosting) -> dict[str, Any]:
    variants = [
        {
            "VariantName": each.name,
            "DeployedImages": _images(each, pending),
            "DesiredWeight": each.weight,
            "CurrentInstanceCount": hosting.present(endpoint, each),
            "DesiredInstanceCount": each.count,
            "InstanceType": each.instance_type,
        }
        for each in pending.variants
    ]
    return {
        "EndpointConfigName": pending.config,
        "ProductionVariants": variants,
        "StartTime": as_datetime(endpoint.modified),
    }


def _images(variant: Variant, deployment: Deployment) -> list[dict[str, Any]]:
    """Images are not resolved to digests: the name is what runs."""
    resolved = as_datetime(deployment.resolved)
    return [
        {"SpecifiedImage": each.image, "ResolvedImage": each.image, "ResolutionTime": resolved}
        for each in variant.model.containers
    ]


def _capture(endpoint: Endpoint) -> dict[str, Any] | None:
    capture: Capture | None = endpoint.current.capture
    if capture is None:
        return None
    started = capture.enabled and endpoint.status in SERVING
    return {
        "EnableCapture": capture.enabled,
        "CaptureStatus": "Started" if started else "Stopped",
        "CurrentSamplingPercentage": capture.percentage,
        "DestinationS3Uri": capture.destination,
        "KmsKeyId": "",
    }


def _asynchronous(settings: AsyncInference | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    told: dict[str, Any] = {"OutputConfig": {"S3OutputPath": settings.output, "S3FailurePath": settings.failure}}
    if settings.concurrency is not None:
        told["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": settings.concurrency}
    return told
