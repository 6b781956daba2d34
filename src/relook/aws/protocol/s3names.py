"""What S3's answers are called on the wire where its model does not say."""

from __future__ import annotations

from botocore.model import OperationModel, ServiceModel

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
UNWRAPPED = "GetBucketLocation"
"""The one operation whose answer is its only member, without an element around it."""

_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}


def is_s3(model: ServiceModel) -> bool:
    return bool(model.metadata.get("endpointPrefix") == "s3")


def root(operation: OperationModel) -> str | None:
    """The element around an answer of S3; None for other services, whose models say."""
    return _ROOTS.get(operation.name) if is_s3(operation.service_model) else None
