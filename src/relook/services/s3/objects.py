"""Objects: put, get, head, delete."""

from __future__ import annotations

from typing import Any

from anyio import to_thread

from relook.aws.body import IncomingBody
from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext
from relook.blobs.errors import BlobError, ObjectDeleted, ObjectGone
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Deleted, Found, StoredFile, Target, Version, Versioning
from relook.core.clock import as_datetime
from relook.services.s3.attributes import (
    CHECKSUMS,
    CONTENT,
    attribute_members,
    attributes_of,
    checksum_members,
    quoted,
    sent_checksum,
)
from relook.services.s3.conditions import Span, check_read, requested_span, write_condition
from relook.services.s3.edge import refuse_nested, required, s3_operation
from relook.services.s3.errors import invalid_argument, invalid_request, malformed_xml, worded
from relook.services.s3.names import check_key, check_version_id, object_arn, objects_arn, present
from relook.services.s3.transfer import send, store_body

_READ = (
    "Key VersionId PartNumber Range IfMatch IfNoneMatch IfModifiedSince IfUnmodifiedSince ChecksumMode "
    "ResponseCacheControl ResponseContentDisposition ResponseContentEncoding ResponseContentLanguage "
    "ResponseContentType ResponseExpires"
)
_MOST_DELETES = 1000


class Objects:
    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs

    @s3_operation(
        "PutObject",
        action="s3:PutObject",
        resource=object_arn,
        supports="Key Body ContentLength ContentMD5 ChecksumAlgorithm IfMatch IfNoneMatch ACL StorageClass "
        f"{CONTENT} {CHECKSUMS}",
    )
    async def put(self, context: RequestContext, members: Members) -> dict[str, Any]:
        account, bucket, key = context.account, members["Bucket"], members["Key"]
        attributes, condition = attributes_of(members), write_condition(members)
        body: IncomingBody | None = members.get("Body")
        await to_thread.run_sync(self._blobs.check_bucket, account, bucket)

        def keep(stored: StoredFile) -> tuple[Version, Versioning]:
            checksum = sent_checksum(members, body)
            version = self._blobs.objects.commit(
                account, bucket, key, stored, attributes, checksum=checksum, condition=condition
            )
            return version, self._blobs.buckets.get(account, bucket).versioning

        version, versioning = await store_body(body, self._blobs.objects.stage, keep)
        return {
            "ETag": quoted(version.etag),
            **checksum_members(version.checksum),
            **version_member(version, versioning),
        }

    @s3_operation("GetObject", action="s3:GetObject", resource=object_arn, supports=_READ)
    def get(self, context: RequestContext, members: Members) -> dict[str, Any]:
        while True:
            found = self._found(context, members)
            check_read(members, found.version)
            span = _span(members, found)
            try:
                reader = self._blobs.objects.open(found)
            except ObjectGone:
                continue
            answer = _described(members, found, span)
            return {**answer, "Body": send(reader, span or Span(0, found.version.size - 1))}

    @s3_operation("HeadObject", action="s3:GetObject", resource=object_arn, supports=_READ)
    def head(self, context: RequestContext, members: Members) -> dict[str, Any]:
        found = self._found(context, members)
        check_read(members, found.version)
        return _described(members, found, _span(members, found))

    @s3_operation("GetObjectTagging", action="s3:GetObjectTagging", resource=object_arn, supports="Key VersionId")
    def tags(self, context: RequestContext, members: Members) -> dict[str, Any]:
        """None: every way to give an object tags is refused. AWS CLI v2 asks before it copies a large object."""
        found = self._found(context, members)
        return {"TagSet": [], **version_member(found.version, found.bucket.versioning)}

    def _found(self, context: RequestContext, members: Members) -> Found:
        version_id = check_version_id(members.get("VersionId"))
        try:
            return self._blobs.objects.look_up(context.account, members["Bucket"], members["Key"], version_id)
        except ObjectDeleted as error:
            raise _deleted(error, version_id) from error

    @s3_operation("DeleteObject", action="s3:DeleteObject", resource=object_arn, supports="Key VersionId IfMatch")
    def delete(self, context: RequestContext, members: Members) -> dict[str, Any]:
        version_id = check_version_id(members.get("VersionId"))
        condition = write_condition(members)
        target = Target(members["Key"], version_id, condition)
        deleted = self._blobs.objects.delete(context.account, members["Bucket"], target)
        return _delete_members(deleted, version_id)

    @s3_operation(
        "DeleteObjects",
        action="s3:DeleteObject",
        resource=objects_arn,
        supports="Delete ChecksumAlgorithm",
    )
    def delete_many(self, context: RequestContext, members: Members) -> dict[str, Any]:
        order = members["Delete"]
        entries = required("Delete", order, "Objects")
        if not 1 <= len(entries) <= _MOST_DELETES:
            raise malformed_xml(f"Delete takes 1 to {_MOST_DELETES} objects, not {len(entries)}")
        failed: list[dict[str, Any]] = []
        targets = []
        for entry in entries:
            try:
                targets.append(_target(entry))
            except ServiceError as error:
                failed.append(_failure(entry.get("Key", ""), entry.get("VersionId"), error))
        done: list[dict[str, Any]] = []
        outcomes = self._blobs.objects.delete_many(context.account, members["Bucket"], targets)
        for target, outcome in zip(targets, outcomes, strict=True):
            if isinstance(outcome, BlobError):
                failed.append(_failure(target.key, target.version_id, worded(outcome)))
            else:
                done.append(_success(target, outcome))
        return {"Deleted": [] if order.get("Quiet") else done, "Errors": failed}


def _target(entry: Members) -> Target:
    refuse_nested("Object", entry, "Key VersionId ETag")
    key = required("Object", entry, "Key")
    check_key(key)
    return Target(key, check_version_id(entry.get("VersionId")), write_condition({"IfMatch": entry.get("ETag")}))


def _failure(key: str, version_id: str | None, error: ServiceError) -> dict[str, Any]:
    return present({"Key": key, "VersionId": version_id, "Code": error.code, "Message": error.message})


def _success(target: Target, deleted: Deleted) -> dict[str, Any]:
    answer: dict[str, Any] = present({"Key": target.key, "VersionId": target.version_id})
    marker = deleted.marker or (deleted.removed if deleted.removed and deleted.removed.delete_marker else None)
    if marker is not None:
        answer.update(DeleteMarker=True, DeleteMarkerVersionId=marker.id)
    return answer


def version_member(version: Version, versioning: Versioning) -> dict[str, str]:
    """The version id, which a bucket that never had versions does not show."""
    return {} if versioning is Versioning.OFF else {"VersionId": version.id}


def _delete_members(deleted: Deleted, version_id: str | None) -> dict[str, Any]:
    if deleted.marker is not None:
        return {"DeleteMarker": True, "VersionId": deleted.marker.id}
    if version_id is None:
        return {}
    marker = deleted.removed is not None and deleted.removed.delete_marker
    return {"VersionId": version_id, **({"DeleteMarker": True} if marker else {})}


def _deleted(error: ObjectDeleted, version_id: str | None) -> ServiceError:
    """What reading a delete marker gives: not found, or, asked for by its id, not allowed."""
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": error.version}
    if version_id is None:
        message = "The specified key does not exist."
        return ServiceError("NoSuchKey", message, 404, members={"Key": error.key}, headers=headers)
    modified = as_datetime(error.modified).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return ServiceError(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        405,
        members={"Method": "GET", "ResourceType": "DeleteMarker"},
        headers={**headers, "Allow": "DELETE", "Last-Modified": modified},
    )


def _span(members: Members, found: Found) -> Span | None:
    """The part of the object that is asked for, None for all of it without a word about ranges."""
    number = members.get("PartNumber")
    if number is None:
        return requested_span(members.get("Range"), found.version.size)
    if members.get("Range") is not None:
        raise invalid_request("Cannot specify both Range header and partNumber query parameter")
    if number < 1:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
    pieces = found.pieces
    if number > len(pieces):
        details = {"PartNumberRequested": str(number), "ActualPartCount": str(len(pieces))}
        raise ServiceError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416, members=details)
    first = sum(piece.size for piece in pieces[: number - 1])
    return Span(first, first + pieces[number - 1].size - 1)


def _described(members: Members, found: Found, span: Span | None) -> dict[str, Any]:
    """The members GetObject and HeadObject share."""
    version = found.version
    overrides = {
        name.removeprefix("Response"): value
        for name, value in members.items()
        if name.startswith("Response") and value is not None
    }
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": as_datetime(version.modified),
        "ContentLength": version.size if span is None else span.length,
        "ETag": quoted(version.etag),
        **attribute_members(version.attributes, overrides),
        **version_member(version, found.bucket.versioning),
    }
    if span is not None and version.size:
        answer["ContentRange"] = f"bytes {span.first}-{span.last}/{version.size}"
    if members.get("PartNumber") is not None and version.etag.count("-"):
        answer["PartsCount"] = len(found.pieces)
    if members.get("ChecksumMode") == "ENABLED" and span is None:
        answer.update(checksum_members(version.checksum))
    return answer
