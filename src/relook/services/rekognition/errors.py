"""The errors of Rekognition, as its clients know them: HTTP 400, but for errors of the server itself."""

from __future__ import annotations

from relook.aws.errors import ServiceError


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def access_denied(message: str) -> ServiceError:
    return ServiceError("AccessDeniedException", message)


def not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)


def in_use(message: str) -> ServiceError:
    return ServiceError("ResourceInUseException", message)


def not_ready(message: str) -> ServiceError:
    return ServiceError("ResourceNotReadyException", message)


def already_exists(message: str) -> ServiceError:
    return ServiceError("ResourceAlreadyExistsException", message)


def limit_exceeded(message: str) -> ServiceError:
    """Clients in botocore's standard retry mode try again."""
    return ServiceError("LimitExceededException", message)


def quota_exceeded(message: str) -> ServiceError:
    return ServiceError("ServiceQuotaExceededException", message)


def invalid_s3_object(message: str) -> ServiceError:
    return ServiceError("InvalidS3ObjectException", message)


def invalid_token(message: str) -> ServiceError:
    return ServiceError("InvalidPaginationTokenException", message)


def invalid_revision(message: str) -> ServiceError:
    return ServiceError("InvalidPolicyRevisionIdException", message)


def malformed_policy(message: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocumentException", message)


def image_too_large(message: str) -> ServiceError:
    return ServiceError("ImageTooLargeException", message)


def invalid_image_format(message: str) -> ServiceError:
    return ServiceError("InvalidImageFormatException", message)


def throughput_exceeded(message: str) -> ServiceError:
    return ServiceError("ProvisionedThroughputExceededException", message)


def internal(message: str) -> ServiceError:
    return ServiceError("InternalServerError", message, 500)
