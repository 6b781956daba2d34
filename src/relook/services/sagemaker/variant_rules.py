"""What an endpoint configuration may say, beyond what the service model checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.aws.operation import Members
from relook.services.sagemaker.errors import validation
from relook.services.sagemaker.refusing import refuse, refuse_keys

_UNOFFERED = {
    "CrossRegionTrafficConfig": "there is one region; leave it out",
    "ExplainerConfig": "explanations are not made; leave it out",
    "MetricsConfig": "leave it out; what containers write goes to the endpoint's log group",
    "ShadowProductionVariants": "use ProductionVariants, with weights",
    "VpcConfig": "set EnableNetworkIsolation for containers without any network, or leave it out",
}
_UNOFFERED_IN_VARIANTS = {
    "AcceleratorPartitionLayouts": "leave it out",
    "AcceleratorType": "leave it out",
    "CapacityReservationConfig": "no capacity is sold here; leave it out",
    "CoreDumpConfig": "leave it out",
    "EnableSSMAccess": "use the container engine's own tools on the server",
    "InferenceAmiVersion": "there is no machine image here; leave it out",
    "InstancePools": "give InstanceType",
    "ManagedInstanceScaling": "use application-autoscaling on DesiredInstanceCount",
    "ServerlessConfig": "give InstanceType and InitialInstanceCount",
    "VariantInstanceProvisionTimeoutInSeconds": "no machine is bought here; leave it out",
}
_NEEDED = {
    "ModelName": "inference components are not offered by this server: every variant names its model",
    "InitialInstanceCount": "every variant needs a number of instances",
    "InstanceType": "every variant needs an instance type, such as ml.m5.large",
}
_ROUTING = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM")
_NOTIFICATIONS = "there are no SNS topics here; look at S3OutputPath and S3FailurePath"


def check_configuration(members: Members) -> None:
    """ValidationException that names the member for what this server cannot do, or what contradicts itself."""
    refuse(members, _UNOFFERED)
    refuse_keys(members)
    variants = members["ProductionVariants"]
    for index, variant in enumerate(variants, 1):
        _check_variant(variant, f"ProductionVariants.{index}")
    names = [variant["VariantName"] for variant in variants]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise validation(f"ProductionVariants has the VariantName {twice} twice; each needs its own")
    if not sum(variant.get("InitialVariantWeight", 1.0) for variant in variants):
        raise validation(
            "The InitialVariantWeight of every variant is 0, so none would get a request; give one more than 0"
        )
    _check_capture(members.get("DataCaptureConfig") or {})
    _check_async(members.get("AsyncInferenceConfig") or {})


def _check_variant(variant: Members, path: str) -> None:
    refuse(variant, _UNOFFERED_IN_VARIANTS, path)
    for name, why in _NEEDED.items():
        if not variant.get(name):
            raise validation(f"{path}.{name} is missing: {why}")
    routing: Mapping[str, Any] = variant.get("RoutingConfig") or {}
    strategy = routing.get("RoutingStrategy", _ROUTING[0])
    if strategy not in _ROUTING:
        raise validation(f"{path}.RoutingConfig.RoutingStrategy {strategy} is not offered; use {' or '.join(_ROUTING)}")
    refuse(routing, {"PrefixAwareRoutingConfig": "leave it out"}, f"{path}.RoutingConfig")


def _check_capture(capture: Members) -> None:
    refuse_keys(capture, "DataCaptureConfig")
    _check_s3(capture.get("DestinationS3Uri"), "DataCaptureConfig.DestinationS3Uri")


def _check_async(given: Members) -> None:
    output: Mapping[str, Any] = given.get("OutputConfig") or {}
    path = "AsyncInferenceConfig.OutputConfig"
    refuse_keys(output, path)
    topics = dict.fromkeys(("SuccessTopic", "ErrorTopic", "IncludeInferenceResponseIn"), _NOTIFICATIONS)
    refuse(output.get("NotificationConfig") or {}, topics, f"{path}.NotificationConfig")
    for name in ("S3OutputPath", "S3FailurePath"):
        _check_s3(output.get(name), f"{path}.{name}")


def _check_s3(uri: str | None, path: str) -> None:
    if uri and not uri.startswith("s3://"):
        raise validation(f"{path} is {uri}; give it as s3://bucket/prefix")
