"""Listings of a bucket: objects (both forms) and versions."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from relook.aws.operation import Members, RequestContext
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Page, Query
from relook.blobs.records import Upload, Version
from relook.core.clock import as_datetime
from relook.services.s3.attributes import listed_checksum, quoted
from relook.services.s3.edge import s3_operation
from relook.services.s3.errors import invalid_argument
from relook.services.s3.names import Encoder, bucket_arn, check_version_id, owner, present

MOST = 1000
"""Entries of a page, common prefixes included."""
_LARGEST = 2**31 - 1


class Listing:
    def __init__(self, blobs: FolderBlobs) -> None:
        self._blobs = blobs

    @s3_operation(
        "ListObjects",
        action="s3:ListBucket",
        resource=bucket_arn,
        supports="Prefix Delimiter Marker MaxKeys EncodingType",
    )
    def objects(self, context: RequestContext, members: Members) -> dict[str, Any]:
        limit, marker = limit_of(members, "MaxKeys", "max-keys"), members.get("Marker") or ""
        query = Query(members.get("Prefix") or "", members.get("Delimiter") or "", limit, marker)
        page = self._blobs.listing.objects(context.account, members["Bucket"], query)
        encode = Encoder(members, shown(page, query))
        answer = {
            **common(members, query, page, encode),
            "Marker": encode(marker),
            "MaxKeys": limit,
            "Contents": [_object(version, encode, context.account) for version in page.items],
            # Without a delimiter the last key is the marker, and S3 does not repeat it.
            "NextMarker": encode(page.last) if page.truncated and query.delimiter else None,
        }
        return encode.mark(present(answer))

    @s3_operation(
        "ListObjectsV2",
        action="s3:ListBucket",
        resource=bucket_arn,
        supports="Prefix Delimiter StartAfter ContinuationToken MaxKeys EncodingType FetchOwner",
    )
    def objects_v2(self, context: RequestContext, members: Members) -> dict[str, Any]:
        limit = limit_of(members, "MaxKeys", "max-keys")
        token, start = members.get("ContinuationToken"), members.get("StartAfter")
        after = start or "" if token is None else _from_token(token)
        query = Query(members.get("Prefix") or "", members.get("Delimiter") or "", limit, after)
        page = self._blobs.listing.objects(context.account, members["Bucket"], query)
        encode = Encoder(members, [*shown(page, query), start or ""])
        account = context.account if members.get("FetchOwner") else None
        answer = {
            **common(members, query, page, encode),
            "MaxKeys": limit,
            "KeyCount": len(page.items) + len(page.prefixes),
            "Contents": [_object(version, encode, account) for version in page.items],
            "ContinuationToken": token,
            "StartAfter": None if start is None else encode(start),
            "NextContinuationToken": _to_token(page.last) if page.truncated else None,
        }
        return encode.mark(present(answer))

    @s3_operation(
        "ListObjectVersions",
        action="s3:ListBucketVersions",
        resource=bucket_arn,
        supports="Prefix Delimiter KeyMarker VersionIdMarker MaxKeys EncodingType",
    )
    def versions(self, context: RequestContext, members: Members) -> dict[str, Any]:
        limit = limit_of(members, "MaxKeys", "max-keys")
        marker, entry = members.get("KeyMarker") or "", check_version_id(members.get("VersionIdMarker") or None)
        if entry is not None and not marker:
            raise invalid_argument("A version-id marker cannot be specified without a key marker.", "key-marker", "")
        query = Query(members.get("Prefix") or "", members.get("Delimiter") or "", limit, marker, entry)
        page = self._blobs.listing.versions(context.account, members["Bucket"], query)
        encode = Encoder(members, shown(page, query))
        answer = {
            **common(members, query, page, encode),
            "KeyMarker": encode(marker),
            "VersionIdMarker": entry or "",
            "MaxKeys": limit,
            "Versions": [_version(item, encode, context.account) for item in page.items if not item.delete_marker],
            "DeleteMarkers": [_marker(item, encode, context.account) for item in page.items if item.delete_marker],
            "NextKeyMarker": encode(page.last) if page.truncated else None,
            "NextVersionIdMarker": page.last_entry if page.truncated else None,
        }
        return encode.mark(present(answer))


def limit_of(members: Members, member: str, name: str) -> int:
    """Entries a page may have: what was asked for, 1,000 at most. ServiceError InvalidArgument below zero."""
    given = members.get(member)
    if given is None:
        return MOST
    if not 0 <= given <= _LARGEST:
        raise invalid_argument(f"Argument {name} must be an integer between 0 and {_LARGEST}", name, given)
    return min(int(given), MOST)


def shown(page: Page[Version] | Page[Upload], query: Query) -> list[str]:
    """Every text of a page that may need encoding."""
    return [*(item.key for item in page.items), *page.prefixes, query.prefix, query.delimiter, query.after]


def common(members: Members, query: Query, page: Page[Version] | Page[Upload], encode: Encoder) -> dict[str, Any]:
    """What every listing says of itself."""
    return {
        "Name": members["Bucket"],
        "Prefix": encode(query.prefix),
        "Delimiter": encode(query.delimiter) if query.delimiter else None,
        "IsTruncated": page.truncated,
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in page.prefixes],
    }


def _object(version: Version, encode: Encoder, account: str | None) -> dict[str, Any]:
    entry = {
        "Key": encode(version.key),
        "LastModified": as_datetime(version.modified),
        "ETag": quoted(version.etag),
        "Size": version.size,
        "StorageClass": "STANDARD",
        **listed_checksum(version),
    }
    return entry if account is None else {**entry, "Owner": owner(account)}


def _version(version: Version, encode: Encoder, account: str) -> dict[str, Any]:
    return {**_object(version, encode, account), "VersionId": version.id, "IsLatest": version.latest}


def _marker(version: Version, encode: Encoder, account: str) -> dict[str, Any]:
    return {
        "Key": encode(version.key),
        "VersionId": version.id,
        "IsLatest": version.latest,
        "LastModified": as_datetime(version.modified),
        "Owner": owner(account),
    }


def _to_token(last: str) -> str:
    return base64.b64encode(b"1" + last.encode()).decode()


def _from_token(token: str) -> str:
    try:
        raw = base64.b64decode(token, validate=True)
        if raw[:1] != b"1":
            raise ValueError("not a token of ours")
        return raw[1:].decode()
    except (binascii.Error, ValueError) as error:
        message = "The continuation token provided is incorrect"
        raise invalid_argument(message, "continuation-token", token) from error
