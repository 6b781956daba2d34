"""Multipart uploads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from anyio import to_thread

from relook.aws.body import IncomingBody
from relook.aws.operation import Members, RequestContext
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Query
from relook.blobs.records import Found, NamedPart, Part, StoredFile, Upload
from relook.blobs.uploads import crc32_of
from relook.core.clock import as_datetime
from relook.services.s3.attributes import (
    ALGORITHMS,
    CHECKSUM_MEMBERS,
    CHECKSUMS,
    CONTENT,
    attributes_of,
    checksum_members,
    checksum_type,
    quoted,
    sent_checksum,
    unquoted,
)
from relook.services.s3.conditions import Span, copied_span, write_condition
from relook.services.s3.copies import SOURCE, source_member, with_source
from relook.services.s3.edge import required, s3_operation
from relook.services.s3.errors import (
    entity_too_large,
    invalid_argument,
    invalid_request,
    malformed_xml,
    not_implemented,
)
from relook.services.s3.listing import common, limit_of, shown
from relook.services.s3.names import Encoder, bucket_arn, object_arn, owner, present
from relook.services.s3.objects import version_member
from relook.services.s3.transfer import LARGEST_PUT, PIECE, store_body

MOST_PARTS = 10_000


class Multipart:
    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs

    @s3_operation(
        "CreateMultipartUpload",
        action="s3:PutObject",
        resource=object_arn,
        supports=f"Key ACL StorageClass ChecksumAlgorithm ChecksumType {CONTENT}",
    )
    def create(self, context: RequestContext, members: Members) -> dict[str, Any]:
        algorithm, kind = members.get("ChecksumAlgorithm") or "", members.get("ChecksumType")
        if algorithm and algorithm not in ALGORITHMS:
            raise not_implemented(f"x-amz-checksum-algorithm: {algorithm}", "x-amz-checksum-algorithm")
        if kind and not algorithm:
            raise invalid_request("x-amz-checksum-type can only be used with x-amz-checksum-algorithm.")
        upload = self._blobs.uploads.create(
            context.account,
            members["Bucket"],
            members["Key"],
            attributes_of(members),
            algorithm,
            checksum_type(algorithm, kind),
        )
        return {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "UploadId": upload.id,
            **_promised_checksum(upload),
        }

    @s3_operation(
        "UploadPart",
        action="s3:PutObject",
        resource=object_arn,
        supports=f"Key UploadId PartNumber Body ContentLength ContentMD5 ChecksumAlgorithm {CHECKSUMS}",
    )
    async def put_part(self, context: RequestContext, members: Members) -> dict[str, Any]:
        number = _part_number(members)
        upload = await to_thread.run_sync(self._upload, context, members)
        body: IncomingBody | None = members.get("Body")

        def keep(stored: StoredFile) -> Part:
            return self._keep_part(context, upload, number, stored, _part_checksum(upload, members, body, stored))

        part = await store_body(body, self._blobs.objects.stage, keep)
        return {"ETag": quoted(part.etag), **_part_checksum_member(upload, part)}

    @s3_operation(
        "UploadPartCopy",
        action="s3:PutObject",
        resource=object_arn,
        supports=f"Key UploadId PartNumber CopySourceRange {SOURCE}",
    )
    def copy_part(self, context: RequestContext, members: Members) -> dict[str, Any]:
        number = _part_number(members)
        upload = self._upload(context, members)
        if upload.checksum_algorithm not in ("", "CRC32"):
            header = "x-amz-checksum-algorithm"
            raise not_implemented(f"copying parts into an upload with {upload.checksum_algorithm}", header)

        def use(found: Found) -> tuple[Found, StoredFile]:
            span = copied_span(members.get("CopySourceRange"), found.version.size)
            if span.length > LARGEST_PUT:
                raise entity_too_large(span.length, LARGEST_PUT)
            return found, self._copied(found, span)

        found, stored = with_source(self._blobs, context, members, use)
        part = self._keep_part(context, upload, number, stored, crc32_of(stored))
        result = {
            "ETag": quoted(part.etag),
            "LastModified": as_datetime(part.modified),
            **_part_checksum_member(upload, part),
        }
        return {"CopyPartResult": result, **source_member(found)}

    def _copied(self, source: Found, span: Span) -> StoredFile:
        staged = self._blobs.objects.stage()
        try:
            with self._blobs.objects.open(source) as reader:
                reader.seek(span.first)
                rest = span.length
                while rest > 0:
                    data = reader.read_exactly(min(PIECE, rest))
                    staged.write(data)
                    rest -= len(data)
            return staged.finish()
        except BaseException:
            staged.discard()
            raise

    def _upload(self, context: RequestContext, members: Members) -> Upload:
        return self._blobs.uploads.get(context.account, members["Bucket"], members["Key"], members["UploadId"])

    def _keep_part(
        self, context: RequestContext, upload: Upload, number: int, stored: StoredFile, checksum: str
    ) -> Part:
        return self._blobs.uploads.put_part(
            context.account, upload.bucket, upload.key, upload.id, number, stored, checksum
        )

    @s3_operation(
        "CompleteMultipartUpload",
        action="s3:PutObject",
        resource=object_arn,
        supports=f"Key UploadId MultipartUpload ChecksumType MpuObjectSize IfMatch IfNoneMatch {CHECKSUMS}",
    )
    def complete(self, context: RequestContext, members: Members) -> dict[str, Any]:
        bucket = self._blobs.buckets.get(context.account, members["Bucket"])
        parts = required("CompleteMultipartUpload", members.get("MultipartUpload"), "Parts")
        if not 1 <= len(parts) <= MOST_PARTS:
            raise malformed_xml(f"CompleteMultipartUpload takes 1 to {MOST_PARTS} parts, not {len(parts)}")
        whole = sent_checksum(members, None)
        version = self._blobs.uploads.complete(
            context.account,
            bucket.name,
            members["Key"],
            members["UploadId"],
            [_named(part) for part in parts],
            checksum=None if whole is None else whole.value,
            size=members.get("MpuObjectSize"),
            condition=write_condition(members),
        )
        return {
            "Location": f"{context.endpoint}/{bucket.name}/{quote(version.key)}",
            "Bucket": bucket.name,
            "Key": version.key,
            "ETag": quoted(version.etag),
            **checksum_members(version.checksum),
            **version_member(version, bucket.versioning),
        }

    @s3_operation(
        "AbortMultipartUpload", action="s3:AbortMultipartUpload", resource=object_arn, supports="Key UploadId"
    )
    def abort(self, context: RequestContext, members: Members) -> None:
        self._blobs.uploads.abort(context.account, members["Bucket"], members["Key"], members["UploadId"])

    @s3_operation(
        "ListParts",
        action="s3:ListMultipartUploadParts",
        resource=object_arn,
        supports="Key UploadId MaxParts PartNumberMarker",
    )
    def list_parts(self, context: RequestContext, members: Members) -> dict[str, Any]:
        limit, after = limit_of(members, "MaxParts", "max-parts"), members.get("PartNumberMarker") or 0
        upload = self._upload(context, members)
        parts = self._blobs.uploads.parts(context.account, upload.bucket, upload.key, upload.id, after, limit + 1)
        given = parts[:limit]
        answer = {
            "Bucket": upload.bucket,
            "Key": upload.key,
            "UploadId": upload.id,
            "Initiator": owner(context.account),
            "Owner": owner(context.account),
            "StorageClass": "STANDARD",
            "PartNumberMarker": after,
            "NextPartNumberMarker": given[-1].number if given else 0,
            "MaxParts": limit,
            "IsTruncated": limit > 0 and len(parts) > limit,
            "Parts": [_listed_part(upload, part) for part in given],
            **_promised_checksum(upload),
        }
        return present(answer)

    @s3_operation(
        "ListMultipartUploads",
        action="s3:ListBucketMultipartUploads",
        resource=bucket_arn,
        supports="Prefix Delimiter KeyMarker UploadIdMarker MaxUploads EncodingType",
    )
    def list(self, context: RequestContext, members: Members) -> dict[str, Any]:
        limit, marker = limit_of(members, "MaxUploads", "max-uploads"), members.get("KeyMarker") or ""
        # As S3 has it, an upload id marker without a key marker says nothing.
        entry = members.get("UploadIdMarker") or None if marker else None
        query = Query(members.get("Prefix") or "", members.get("Delimiter") or "", limit, marker, entry)
        page = self._blobs.listing.uploads(context.account, members["Bucket"], query)
        encode = Encoder(members, shown(page, query))
        listed = common(members, query, page, encode)
        answer = {
            "Bucket": listed.pop("Name"),
            **listed,
            "KeyMarker": encode(marker),
            "UploadIdMarker": entry or "",
            "MaxUploads": limit,
            "Uploads": [_listed_upload(upload, encode, context.account) for upload in page.items],
            "NextKeyMarker": encode(page.last) if page.truncated else None,
            "NextUploadIdMarker": page.last_entry if page.truncated else None,
        }
        return encode.mark(present(answer))


def _part_number(members: Members) -> int:
    number: int = members["PartNumber"]
    if not 1 <= number <= MOST_PARTS:
        message = f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        raise invalid_argument(message, "partNumber", number)
    return number


def _part_checksum(upload: Upload, members: Members, body: IncomingBody | None, stored: StoredFile) -> str:
    """The part's checksum of the upload's algorithm; ServiceError InvalidRequest where the client sent another."""
    wanted = upload.checksum_algorithm or "CRC32"
    sent = sent_checksum(members, body)
    if sent is not None and sent.algorithm == wanted:
        return sent.value
    if upload.checksum_algorithm and (sent is not None or wanted != "CRC32"):
        actual = "null" if sent is None else sent.algorithm.lower()
        raise invalid_request(
            f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, actual checksum Type: {actual}"
        )
    return crc32_of(stored)


def _promised_checksum(upload: Upload) -> dict[str, str]:
    if not upload.checksum_algorithm:
        return {}
    return {"ChecksumAlgorithm": upload.checksum_algorithm, "ChecksumType": upload.checksum_type.value}


def _part_checksum_member(upload: Upload, part: Part) -> dict[str, str]:
    return {f"Checksum{upload.checksum_algorithm or 'CRC32'}": part.checksum}


def _named(part: Members) -> NamedPart:
    """A part as the body names it. Which algorithm its checksum is of, the upload knows."""
    checksums = [part[member] for member in CHECKSUM_MEMBERS if part.get(member)]
    if len(checksums) > 1:
        raise malformed_xml("a Part has one checksum at most")
    return NamedPart(
        number=required("Part", part, "PartNumber"),
        etag=unquoted(required("Part", part, "ETag")),
        checksum=checksums[0] if checksums else None,
    )


def _listed_part(upload: Upload, part: Part) -> dict[str, Any]:
    return {
        "PartNumber": part.number,
        "LastModified": as_datetime(part.modified),
        "ETag": quoted(part.etag),
        "Size": part.size,
        **_part_checksum_member(upload, part),
    }


def _listed_upload(upload: Upload, encode: Encoder, account: str) -> dict[str, Any]:
    return {
        "UploadId": upload.id,
        "Key": encode(upload.key),
        "Initiated": as_datetime(upload.initiated),
        "StorageClass": "STANDARD",
        "Owner": owner(account),
        "Initiator": owner(account),
        **_promised_checksum(upload),
    }
