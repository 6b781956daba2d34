"""The description of Lookout for Vision (2020-11-20), which botocore no longer has: ours, held by a test against the
last one that it shipped (1.40.60)."""

from __future__ import annotations

from functools import cache

from botocore.model import ServiceModel

from relook.aws.description.documents import paginators_document, service_document
from relook.aws.description.endpoint import endpoint_document
from relook.aws.description.operations import VERSION

__all__ = [
    "SERVICE",
    "VERSION",
    "endpoint_document",
    "lookoutvision_model",
    "paginators_document",
    "service_document",
]

SERVICE = "lookoutvision"


@cache
def lookoutvision_model() -> ServiceModel:
    """The service model that routes, parses, validates and serialises Lookout for Vision."""
    return ServiceModel(service_document(), service_name=SERVICE)
