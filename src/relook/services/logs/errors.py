"""The errors of CloudWatch Logs, in the words that clients know."""

from __future__ import annotations

from relook.aws.errors import ServiceError


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message, 400)


def invalid_token() -> ServiceError:
    return invalid("The specified nextToken is invalid.")


def no_group() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "The specified log group does not exist.", 400)


def no_stream() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "The specified log stream does not exist.", 400)
