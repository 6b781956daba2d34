"""Content headers, user metadata and checksums, between members and records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from relook.aws.body import IncomingBody
from relook.aws.errors import ServiceError
from relook.aws.operation import Members
from relook.blobs.records import Attributes, Checksum, ChecksumType, Version
from relook.services.s3.errors import invalid_request

METADATA_LIMIT = 2048
"""Bytes of all user metadata, names and values."""
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")
HEADER_MEMBERS = {
    "ContentType": "content-type",
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "Expires": "expires",
}
CHECKSUM_MEMBERS = {f"Checksum{algorithm}": algorithm for algorithm in ALGORITHMS}
CONTENT = " ".join((*HEADER_MEMBERS, "Metadata"))
"""The members of an object's attributes, for `supports`."""
CHECKSUMS = " ".join(CHECKSUM_MEMBERS)


def attributes_of(members: Members) -> Attributes:
    """The attributes a request gives; ServiceError MetadataTooLarge."""
    metadata = {name.lower(): value for name, value in (members.get("Metadata") or {}).items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_LIMIT:
        raise ServiceError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            400,
            members={"Size": str(size), "MaxSizeAllowed": str(METADATA_LIMIT)},
        )
    headers = {header: _text(members[name]) for name, header in HEADER_MEMBERS.items() if members.get(name) is not None}
    encoding = _without_framing(headers.pop("content-encoding", ""))
    if encoding:
        headers["content-encoding"] = encoding
    headers.setdefault("content-type", "binary/octet-stream")
    return Attributes(headers, metadata)


def _text(value: Any) -> str:
    return format_datetime(value, usegmt=True) if isinstance(value, datetime) else str(value)


def _without_framing(encoding: str) -> str:
    """Content-Encoding without aws-chunked, which speaks of the transfer and not of the object."""
    tokens = [token.strip() for token in encoding.split(",")]
    return ",".join(token for token in tokens if token and token.lower() != "aws-chunked")


def attribute_members(attributes: Attributes, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The members that give an object's attributes back, some of them replaced for this answer."""
    members: dict[str, Any] = {}
    for name, header in HEADER_MEMBERS.items():
        if header in attributes.headers:
            members[name] = attributes.headers[header]
    members.update(overrides or {})
    if isinstance(members.get("Expires"), str):
        members["Expires"] = parsedate_to_datetime(members["Expires"])
    members["Metadata"] = dict(attributes.metadata)
    return members


def sent_checksum(members: Members, body: IncomingBody | None) -> Checksum | None:
    """The checksum the client sent, in a header or (the body being read to its end) a trailer.

    The body has verified it. ServiceError InvalidRequest where there are several.
    """
    found = {name: members[member] for member, name in CHECKSUM_MEMBERS.items() if members.get(member)}
    for name in ALGORITHMS:
        value = body.trailers.get(f"x-amz-checksum-{name.lower()}") if body is not None else None
        if value is not None:
            found[name] = value
    if len(found) > 1:
        raise invalid_request(f"Expecting a single x-amz-checksum- header, got {', '.join(sorted(found))}.")
    return next((Checksum(name, value.strip()) for name, value in found.items()), None)


def checksum_members(checksum: Checksum) -> dict[str, str]:
    """The members that tell a checksum and its type."""
    if not checksum.algorithm:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum.type.value}


def listed_checksum(version: Version) -> dict[str, Any]:
    """What a listing tells of an object's checksum."""
    return {"ChecksumAlgorithm": [version.checksum.algorithm], "ChecksumType": version.checksum.type.value}


def checksum_type(algorithm: str, given: str | None) -> ChecksumType:
    """The kind of checksum a multipart upload gets; ServiceError InvalidRequest for one its algorithm cannot have."""
    legal: tuple[str, ...]
    if algorithm in ("", "CRC64NVME"):
        default, legal = "FULL_OBJECT", ("FULL_OBJECT",)
    elif algorithm.startswith("CRC"):
        default, legal = "COMPOSITE", ("COMPOSITE", "FULL_OBJECT")
    else:
        default, legal = "COMPOSITE", ("COMPOSITE",)
    chosen = given or default
    if chosen not in legal:
        name = algorithm.lower() or "absent"
        raise invalid_request(f"The {chosen} checksum type cannot be used with the {name} checksum algorithm.")
    return ChecksumType(chosen)


def quoted(etag: str) -> str:
    return f'"{etag}"'


def unquoted(etag: str) -> str:
    return etag.strip().removeprefix('"').removesuffix('"')
