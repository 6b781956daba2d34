"""The errors of Rekognition, as its clients know them: HTTP 400, but for errors of the server itself.

Where the original's text is known it comes first, since clients may look for it, and the reason after it in brackets.
"""

from __future__ import annotations

from relook.aws.errors import ServiceError


def invalid(reason: str) -> ServiceError:
    return ServiceError("InvalidParameterException", f"Request has invalid parameters ({reason})")


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


def invalid_s3_object(reason: str) -> ServiceError:
    known = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
    return ServiceError("InvalidS3ObjectException", f"{known} ({reason})")


def invalid_token(message: str) -> ServiceError:
    return ServiceError("InvalidPaginationTokenException", message)


def invalid_revision(message: str) -> ServiceError:
    return ServiceError("InvalidPolicyRevisionIdException", message)


def malformed_policy(message: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocumentException", message)


def image_too_large(message: str) -> ServiceError:
    return ServiceError("ImageTooLargeException", message)


def invalid_image_format(reason: str) -> ServiceError:
    return ServiceError("InvalidImageFormatException", f"Request has invalid image format ({reason})")


def throughput_exceeded(message: str) -> ServiceError:
    return ServiceError("ProvisionedThroughputExceededException", message)


def internal(message: str) -> ServiceError:
    return ServiceError("InternalServerError", message, 500)
