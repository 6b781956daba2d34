"""The errors of Lookout for Vision, as its clients know them."""

from __future__ import annotations

from enum import StrEnum

from relook.aws.errors import ServiceError
from relook.core.names import SERVICE


class ResourceType(StrEnum):
    PROJECT = "PROJECT"
    DATASET = "DATASET"
    MODEL = "MODEL"


class Quota(StrEnum):
    """Codes of our own: those of the original are not on record."""

    CONCURRENT_TRAININGS = "L-00000001"
    INFERENCE_UNITS = "L-00000002"
    TAGS = "L-00000003"


def validation(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, 400)


def not_found(kind: ResourceType, name: str, message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, 404, members=_resource(kind, name))


def conflict(kind: ResourceType, name: str, message: str) -> ServiceError:
    return ServiceError("ConflictException", message, 409, members=_resource(kind, name))


def quota_exceeded(quota: Quota, kind: ResourceType, name: str, message: str) -> ServiceError:
    members = {"QuotaCode": quota.value, "ServiceCode": SERVICE, **_resource(kind, name)}
    return ServiceError("ServiceQuotaExceededException", message, 402, members=members)


def throttled(message: str, retry_after_seconds: int = 1) -> ServiceError:
    return ServiceError("ThrottlingException", message, 429, headers={"Retry-After": str(retry_after_seconds)})


def internal(message: str, retry_after_seconds: int = 1) -> ServiceError:
    return ServiceError("InternalServerException", message, 500, headers={"Retry-After": str(retry_after_seconds)})


def _resource(kind: ResourceType, name: str) -> dict[str, str]:
    return {"ResourceId": name, "ResourceType": kind.value}
