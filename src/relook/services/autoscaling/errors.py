"""The errors of Application Auto Scaling."""

from __future__ import annotations

from relook.aws.errors import ServiceError

_THING = "service namespace: sagemaker, resource ID: {resource}, scalable dimension: {dimension}"


def validation(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, 400)


def no_target(resource: str, dimension: str) -> ServiceError:
    thing = _THING.format(resource=resource, dimension=dimension)
    return ServiceError("ObjectNotFoundException", f"No scalable target registered for {thing}", 400)


def no_policy(resource: str, dimension: str, name: str) -> ServiceError:
    thing = _THING.format(resource=resource, dimension=dimension)
    return ServiceError("ObjectNotFoundException", f"No scaling policy found for {thing}, policy name: {name}", 400)


def invalid_token() -> ServiceError:
    return ServiceError(
        "InvalidNextTokenException", "The next token is not one of this list; start from the first page", 400
    )
