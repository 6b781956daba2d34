"""Endpoint configurations through real boto3."""

from __future__ import annotations

from typing import Any

import pytest
from lookout_stage import Stage, outcome
from sagemaker_calls import ROLE, make_model, variant

REGION = "ap-south-1"
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": "s3://captured/here",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
}


@pytest.fixture(scope="module")
def sagemaker(stage: Stage) -> Any:
    client = stage.client("sagemaker", REGION)
    make_model(client, "served")
    return client


def test_a_configuration_is_described_as_it_was_created(sagemaker: Any) -> None:
    asynchronous = {"OutputConfig": {"S3OutputPath": "s3://out/a", "S3FailurePath": "s3://out/f"}}
    heavy = variant("served", VariantName="b", InitialVariantWeight=0.0, InstanceType="ml.x9z.96xlarge")
    made = sagemaker.create_endpoint_config(
        EndpointConfigName="Full",
        ProductionVariants=[variant("served"), heavy],
        DataCaptureConfig=CAPTURE,
        AsyncInferenceConfig=asynchronous,
        ExecutionRoleArn=ROLE,
        EnableNetworkIsolation=True,
        KmsKeyId="",
        Tags=[],
    )["EndpointConfigArn"]
    found = sagemaker.describe_endpoint_config(EndpointConfigName="Full")
    assert (found["EndpointConfigName"], found["EndpointConfigArn"]) == ("Full", made)
    assert made.endswith(":endpoint-config/full")
    assert found["ProductionVariants"] == [variant("served", InitialVariantWeight=1.0), heavy]
    assert found["DataCaptureConfig"] == CAPTURE
    assert found["AsyncInferenceConfig"] == asynchronous
    assert found["EnableNetworkIsolation"] is True
    taken = outcome(sagemaker.create_endpoint_config, EndpointConfigName="full", ProductionVariants=[variant("served")])
    assert taken == ("ValidationException", 400, f'Cannot create already existing endpoint configuration "{made}".')


def test_deleting_and_what_is_missing(sagemaker: Any) -> None:
    made = sagemaker.create_endpoint_config(EndpointConfigName="brief", ProductionVariants=[variant("served")])
    sagemaker.delete_endpoint_config(EndpointConfigName="brief")
    text = f'Could not find endpoint configuration "{made["EndpointConfigArn"]}".'
    missing = ("ValidationException", 400, text)
    assert outcome(sagemaker.describe_endpoint_config, EndpointConfigName="brief") == missing
    assert outcome(sagemaker.delete_endpoint_config, EndpointConfigName="brief") == missing


def test_lists_are_newest_first(stage: Stage) -> None:
    client = stage.client("sagemaker", "ap-east-1")
    make_model(client, "served")
    for name in ("one", "two", "three"):
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant("served")])
    pages = client.get_paginator("list_endpoint_configs").paginate(PaginationConfig={"PageSize": 2})
    names = [[each["EndpointConfigName"] for each in page["EndpointConfigs"]] for page in pages]
    assert names == [["three", "two"], ["one"]]


_VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown model": ({"ModelName": "nobody"}, {}, f'Could not find model "arn:aws:sagemaker:{REGION}:'),
    "no count": ({"InitialInstanceCount": None}, {}, "ProductionVariants.1.InitialInstanceCount is missing"),
    "no type": ({"InstanceType": None}, {}, "ProductionVariants.1.InstanceType is missing"),
    "no model": ({"ModelName": None}, {}, "inference components are not offered"),
    "weightless": ({"InitialVariantWeight": 0.0}, {}, "InitialVariantWeight of every variant is 0"),
    "serverless": (
        {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}},
        {},
        "ProductionVariants.1.ServerlessConfig is not offered by this server",
    ),
    "scaling": ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, {}, "use application-autoscaling"),
    "routing": ({"RoutingConfig": {"RoutingStrategy": "KV_AWARE"}}, {}, "KV_AWARE is not offered"),
    "key": ({}, {"KmsKeyId": "key-1"}, "KmsKeyId is set, but this server has no KMS keys"),
    "capture key": ({}, {"DataCaptureConfig": CAPTURE | {"KmsKeyId": "k"}}, "DataCaptureConfig.KmsKeyId is set"),
    "shadow": ({}, {"ShadowProductionVariants": [variant("served", VariantName="s")]}, "ShadowProductionVariants"),
    "explainer": (
        {},
        {"ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}}},
        "ExplainerConfig is not offered",
    ),
    "vpc": ({}, {"VpcConfig": _VPC}, "VpcConfig is not offered"),
    "topics": (
        {},
        {
            "AsyncInferenceConfig": {
                "OutputConfig": {"NotificationConfig": {"ErrorTopic": "arn:aws:sns:us-east-1:000000000000:t"}}
            }
        },
        "AsyncInferenceConfig.OutputConfig.NotificationConfig.ErrorTopic is not offered",
    ),
}


@pytest.mark.parametrize(("change", "more", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_name(
    sagemaker: Any, change: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    one = {name: value for name, value in variant("served", **change).items() if value is not None}
    code, status, message = outcome(
        sagemaker.create_endpoint_config, EndpointConfigName="refused", ProductionVariants=[one], **more
    )
    assert (code, status) == ("ValidationException", 400)
    assert words in message


def test_two_variants_of_one_name_are_refused(sagemaker: Any) -> None:
    told = outcome(
        sagemaker.create_endpoint_config, EndpointConfigName="twice", ProductionVariants=[variant("served")] * 2
    )
    assert told[0] == "ValidationException"
    assert "AllTraffic twice" in told[2]


def test_an_instance_type_that_looks_like_none_is_refused(stage: Stage, sagemaker: Any) -> None:
    client = stage.client("sagemaker", REGION, checked=False)
    told = outcome(
        client.create_endpoint_config,
        EndpointConfigName="odd",
        ProductionVariants=[variant("served", InstanceType="m5.large")],
    )
    assert told[0] == "ValidationException"
    assert "'productionVariants.1.member.instanceType'" in told[2]
