"""Names: buckets, keys, owners, ARNs, and how they are written in headers and listings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext
from relook.core.identity import Arn
from relook.services.s3.errors import invalid_argument

KEY_LIMIT = 1024
"""Bytes of a key in UTF-8."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_RESERVED_STARTS = ("xn--", "sthree-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_VERSION = re.compile(r"null|[0-9a-f]{32}")
_OUTSIDE_XML = re.compile("[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]")


def check_bucket_name(name: str) -> None:
    """ServiceError InvalidBucketName unless a bucket may be given this name."""
    broken = (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or _ADDRESS.fullmatch(name)
        or name.startswith(_RESERVED_STARTS)
        or name.endswith(_RESERVED_ENDS)
    )
    if broken:
        message = (
            "The specified bucket is not valid: a name has 3 to 63 lower-case letters, digits, dots and hyphens, "
            "begins and ends with a letter or digit, and is neither like an IP address nor of a reserved form."
        )
        raise ServiceError("InvalidBucketName", message, 400, members={"BucketName": name})


def check_key(key: str) -> None:
    """ServiceError KeyTooLongError or InvalidURI unless an object may have this key."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI: the key is not UTF-8.", 400) from error
    if size > KEY_LIMIT:
        members = {"Size": str(size), "MaxSizeAllowed": str(KEY_LIMIT)}
        raise ServiceError("KeyTooLongError", "Your key is too long", 400, members=members)


def check_version_id(version_id: str | None) -> str | None:
    """The id; ServiceError InvalidArgument where no version can have it."""
    if version_id is not None and not _VERSION.fullmatch(version_id):
        raise invalid_argument("Invalid version id specified", "versionId", version_id)
    return version_id


def bucket_arn(context: RequestContext, members: Members) -> str:
    return str(Arn("s3", "", "", members["Bucket"]))


def object_arn(context: RequestContext, members: Members) -> str:
    return str(Arn("s3", "", "", f"{members['Bucket']}/{members['Key']}"))


def objects_arn(context: RequestContext, members: Members) -> str:
    """Every object of the bucket."""
    return str(Arn("s3", "", "", f"{members['Bucket']}/*"))


def everything(context: RequestContext, members: Members) -> str:
    return str(Arn("s3", "", "", "*"))


def owner(account: str) -> dict[str, str]:
    """The canonical user of an account: 64 hexadecimal digits, always the same."""
    return {"ID": hashlib.sha256(f"canonical user of {account}".encode()).hexdigest()}


def copy_source(header: str) -> tuple[str, str, str | None]:
    """Bucket, key and version of an x-amz-copy-source; ServiceError InvalidArgument."""
    path, mark, version = header.partition("?versionId=")
    bucket, slash, key = _decoded(path).removeprefix("/").partition("/")
    if not slash or not bucket or not key or bucket.startswith("arn:"):
        message = "Invalid copy source: write it as bucket/key, percent-encoded, with ?versionId= where needed."
        raise invalid_argument(message, "x-amz-copy-source", header)
    check_key(key)
    return bucket, key, check_version_id(unquote(version)) if mark else None


def _decoded(path: str) -> str:
    try:
        # Header values arrive as latin-1: a client that did not percent-encode sent UTF-8 bytes.
        return unquote(path.encode("latin-1").decode())
    except UnicodeError:
        return unquote(path)


class Encoder:
    """Keys as a listing shows them: as they are, or percent-encoded where the client asked, or XML cannot carry one."""

    def __init__(self, members: Members, texts: list[str]) -> None:
        self.active = members.get("EncodingType") == "url" or any(_OUTSIDE_XML.search(text) for text in texts)

    def __call__(self, text: str) -> str:
        return quote(text, safe="/") if self.active else text

    def mark(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, saying so where keys are encoded."""
        return {**answer, "EncodingType": "url"} if self.active else answer


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """Members without those that are not there."""
    return {name: value for name, value in members.items() if value is not None}
