"""S3's errors: codes, statuses and extra members, and which of them stands for which failure of the blobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relook.aws.errors import ServiceError
from relook.blobs import errors as blobs


def no_such_bucket(bucket: str) -> ServiceError:
    return ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, members={"BucketName": bucket})


def access_denied() -> ServiceError:
    return ServiceError("AccessDenied", "Access Denied", 403)


def invalid_argument(message: str, name: str, value: object) -> ServiceError:
    members = {"ArgumentName": name, "ArgumentValue": str(value)}
    return ServiceError("InvalidArgument", message, 400, members=members)


def invalid_request(message: str) -> ServiceError:
    return ServiceError("InvalidRequest", message, 400)


def not_implemented(what: str, header: str) -> ServiceError:
    message = (
        f"A header you provided implies functionality that is not implemented: {what}. Send the request without it."
    )
    return ServiceError("NotImplemented", message, 501, members={"Header": header})


def malformed_xml(rule: str) -> ServiceError:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError("MalformedXML", f"{message}: {rule}", 400)


def entity_too_large(size: int, limit: int) -> ServiceError:
    return ServiceError(
        "EntityTooLarge",
        f"Your proposed upload exceeds the maximum allowed size of {limit} bytes; upload it in parts.",
        400,
        members={"ProposedSize": str(size), "MaxSizeAllowed": str(limit)},
    )


def precondition_failed(condition: str) -> ServiceError:
    message = "At least one of the pre-conditions you specified did not hold"
    return ServiceError("PreconditionFailed", message, 412, members={"Condition": condition})


def worded(error: blobs.BlobError) -> ServiceError:
    """The answer a client gets for a failure of the blobs."""
    for kind in type(error).__mro__:
        if kind in _WORDS:
            return _WORDS[kind](error)
    return ServiceError("InternalError", str(error), 500)


def _bucket_exists(error: Any) -> ServiceError:
    if error.owned:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        return ServiceError("BucketAlreadyOwnedByYou", message, 409, members={"BucketName": error.bucket})
    message = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )
    return ServiceError("BucketAlreadyExists", message, 409, members={"BucketName": error.bucket})


def _not_empty(error: Any) -> ServiceError:
    message = "The bucket you tried to delete is not empty. You must delete all objects and versions in it first."
    return ServiceError("BucketNotEmpty", message, 409, members={"BucketName": error.bucket})


def _no_such_key(error: Any) -> ServiceError:
    return ServiceError("NoSuchKey", "The specified key does not exist.", 404, members={"Key": error.key})


def _no_such_version(error: Any) -> ServiceError:
    members = {"Key": error.key, "VersionId": error.version}
    return ServiceError("NoSuchVersion", "The specified version does not exist.", 404, members=members)


def _no_such_upload(error: Any) -> ServiceError:
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    )
    return ServiceError("NoSuchUpload", message, 404, members={"UploadId": error.upload})


def _invalid_part(error: Any) -> ServiceError:
    message = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
        "entity tag or checksum may not match the part's."
    )
    return ServiceError("InvalidPart", message, 400, members={"PartNumber": str(error.number), "ETag": error.etag})


def _invalid_order(error: Any) -> ServiceError:
    message = "The list of parts was not in ascending order. Parts must be ordered by part number."
    return ServiceError("InvalidPartOrder", message, 400, members={"PartNumber": str(error.number)})


def _too_small(error: Any) -> ServiceError:
    members = {
        "PartNumber": str(error.number),
        "ETag": error.etag,
        "ProposedSize": str(error.size),
        "MinSizeAllowed": str(5 * 1024 * 1024),
    }
    message = "Your proposed upload is smaller than the minimum allowed size"
    return ServiceError("EntityTooSmall", message, 400, members=members)


_WORDS: dict[type, Callable[[Any], ServiceError]] = {
    blobs.BucketMissing: lambda error: no_such_bucket(error.bucket),
    blobs.BucketForeign: lambda error: access_denied(),
    blobs.BucketExists: _bucket_exists,
    blobs.BucketNotEmpty: _not_empty,
    blobs.ObjectMissing: _no_such_key,
    blobs.VersionMissing: _no_such_version,
    blobs.ConditionFailed: lambda error: precondition_failed(error.condition),
    blobs.UploadMissing: _no_such_upload,
    blobs.PartInvalid: _invalid_part,
    blobs.PartOrder: _invalid_order,
    blobs.PartTooSmall: _too_small,
    blobs.ChecksumMismatch: lambda error: ServiceError("BadDigest", str(error.detail), 400),
    blobs.NoRoom: lambda error: ServiceError("InsufficientStorage", str(error), 507),
}
