"""Amazon CloudWatch Logs (API version 2014-03-28): what this machine's programs have written, and how long it stays."""

from __future__ import annotations

from relook.aws.models import botocore_model
from relook.aws.operation import Service
from relook.services.logs.describing import Descriptions
from relook.services.logs.reading import Reading
from relook.services.logs.retention import Expiry, Retention
from relook.store.engine import Store

__all__ = ["Expiry", "service"]


def service(store: Store) -> Service:
    """Nothing can be written through it: log lines come from training jobs, transform jobs and endpoints."""
    return Service(botocore_model("logs"), [Descriptions(store), Reading(store), Retention(store)])
