"""Requests that the contract tests of SageMaker share."""

from __future__ import annotations

from typing import Any

from lookout_stage import ACCOUNT, REGION

ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/SageMaker"
IMAGE = "builtin/python"
DATA = "s3://models/first/model.tar.gz"


def arn(kind: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:sagemaker:{REGION}:{account}:{kind}/{name.lower()}"


def container(**more: Any) -> dict[str, Any]:
    return {"Image": IMAGE, "ModelDataUrl": DATA} | more


def make_model(sagemaker: Any, name: str, **more: Any) -> str:
    """CreateModel with one container unless `more` says otherwise; its ARN."""
    containers = {} if "Containers" in more else {"PrimaryContainer": container()}
    answer = sagemaker.create_model(**({"ModelName": name, "ExecutionRoleArn": ROLE} | containers | more))
    return str(answer["ModelArn"])


def variant(model: str, **more: Any) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    } | more


def specification(**more: Any) -> dict[str, Any]:
    """An InferenceSpecification with one container."""
    return {
        "Containers": [container(**more)],
        "SupportedContentTypes": ["image/png"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
