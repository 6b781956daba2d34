"""The service models of SageMaker, as botocore has them, without the lists of instance types that existed that day."""

from __future__ import annotations

from botocore.model import ServiceModel

from relook.aws.models import adapted_model, botocore_model

_INSTANCE_TYPES = ("ProductionVariantInstanceType", "TransformInstanceType", "TrainingInstanceType")
_ANY_INSTANCE_TYPE = {"type": "string", "min": 1, "max": 64, "pattern": r"ml\.[a-z0-9\-]+\.[a-z0-9\-]+"}


def sagemaker_model() -> ServiceModel:
    """The control plane: an instance type is any name that looks like one, since it buys no machine here."""
    return adapted_model("sagemaker", dict.fromkeys(_INSTANCE_TYPES, _ANY_INSTANCE_TYPE))


def runtime_model() -> ServiceModel:
    """InvokeEndpoint and its kin."""
    return botocore_model("sagemaker-runtime")
