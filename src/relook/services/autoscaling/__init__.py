"""Application Auto Scaling (API version 2016-02-06) for the production variants of SageMaker endpoints."""

from __future__ import annotations

from relook.aws.models import botocore_model
from relook.aws.operation import Service
from relook.services.autoscaling.autoscaler import Autoscaler
from relook.services.autoscaling.policies import Policies
from relook.services.autoscaling.resources import Scalable
from relook.services.autoscaling.targets import Targets
from relook.store.engine import Store

__all__ = ["Autoscaler", "Scalable", "service"]


def service(store: Store, scalable: Scalable) -> Service:
    """The operations; what acts on them is an `Autoscaler`."""
    return Service(botocore_model("application-autoscaling"), [Targets(store, scalable), Policies(store)])
