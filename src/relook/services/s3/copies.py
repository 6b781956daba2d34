"""Copies of objects, which share the bytes of their source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from relook.aws.operation import Members, RequestContext
from relook.blobs.errors import ObjectDeleted, ObjectGone
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Found, Version, Versioning
from relook.core.clock import as_datetime
from relook.services.s3.attributes import CONTENT, attributes_of, checksum_members, quoted
from relook.services.s3.conditions import check_read, write_condition
from relook.services.s3.edge import s3_operation
from relook.services.s3.errors import invalid_request, not_implemented
from relook.services.s3.names import copy_source, object_arn
from relook.services.s3.objects import version_member
from relook.services.s3.transfer import LARGEST_PUT

SOURCE = (
    "CopySource CopySourceIfMatch CopySourceIfNoneMatch CopySourceIfModifiedSince CopySourceIfUnmodifiedSince "
    "ExpectedSourceBucketOwner"
)


T = TypeVar("T")


def with_source(blobs: FolderBlobs, context: RequestContext, members: Members, use: Callable[[Found], T]) -> T:
    """What `use` makes of the version a copy reads, whose conditions hold; again where it was replaced meanwhile.

    ServiceError for a source that is none; BlobError where it is not there.
    """
    while True:
        found = _find_source(blobs, context, members)
        try:
            return use(found)
        except ObjectGone:
            continue


def source_member(found: Found) -> dict[str, str]:
    """The member that names the version read."""
    return {} if found.bucket.versioning is Versioning.OFF else {"CopySourceVersionId": found.version.id}


def _find_source(blobs: FolderBlobs, context: RequestContext, members: Members) -> Found:
    bucket, key, version_id = copy_source(members["CopySource"])
    try:
        found = blobs.objects.look_up(context.account, bucket, key, version_id)
    except ObjectDeleted as error:
        if version_id is None:
            raise
        raise invalid_request("The source of a copy request may not specifically refer to a delete marker.") from error
    check_read(members, found.version, "CopySource")
    return found


class Copies:
    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs

    @s3_operation(
        "CopyObject",
        action="s3:PutObject",
        resource=object_arn,
        supports=f"Key MetadataDirective TaggingDirective AnnotationDirective ACL StorageClass ChecksumAlgorithm "
        f"IfMatch IfNoneMatch {SOURCE} {CONTENT}",
    )
    def copy(self, context: RequestContext, members: Members) -> dict[str, Any]:
        bucket = self._blobs.buckets.get(context.account, members["Bucket"])
        replace = members.get("MetadataDirective") == "REPLACE"

        def use(found: Found) -> tuple[Found, Version]:
            source = found.version
            _check(members, source, replace)
            attributes = attributes_of(members) if replace else source.attributes
            return found, self._blobs.objects.copy(
                context.account, source, bucket.name, members["Key"], attributes, write_condition(members)
            )

        found, version = with_source(self._blobs, context, members, use)
        result = {
            "ETag": quoted(version.etag),
            "LastModified": as_datetime(version.modified),
            **checksum_members(version.checksum),
        }
        return {"CopyObjectResult": result, **source_member(found), **version_member(version, bucket.versioning)}


def _check(members: Members, source: Version, replace: bool) -> None:
    if source.size > LARGEST_PUT:
        raise invalid_request(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST_PUT}; "
            "copy it in parts."
        )
    if members.get("ChecksumAlgorithm") not in (None, source.checksum.algorithm):
        header = "x-amz-checksum-algorithm"
        raise not_implemented(f"{header} other than that of the source ({source.checksum.algorithm})", header)
    itself = (source.bucket, source.key) == (members["Bucket"], members["Key"])
    if itself and source.latest and not replace and "?versionId=" not in members["CopySource"]:
        raise invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )
