"""Conditions and ranges of requests, by RFC 9110 and S3's table of how conditions go together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from relook.aws.errors import ServiceError
from relook.aws.operation import Members
from relook.blobs.records import UNCONDITIONAL, Condition, Version
from relook.core.clock import as_datetime
from relook.services.s3.attributes import quoted, unquoted
from relook.services.s3.errors import invalid_argument, not_implemented, precondition_failed

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes first..last of an object, both included; last is first - 1 where there are none."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def check_read(members: Members, version: Version, prefix: str = "") -> None:
    """ServiceError 412 or 304 unless the conditions of a read hold; `prefix` CopySource for those of a copy.

    If-Match that holds outweighs If-Unmodified-Since; If-None-Match, where given, outweighs If-Modified-Since.
    """
    modified = as_datetime(version.modified).replace(microsecond=0)
    match, none_match = members.get(f"{prefix}IfMatch"), members.get(f"{prefix}IfNoneMatch")
    if match is not None:
        if not _matches(match, version):
            raise precondition_failed(f"{prefix}If-Match")
    elif _is_after(modified, members.get(f"{prefix}IfUnmodifiedSince")):
        raise precondition_failed(f"{prefix}If-Unmodified-Since")
    since: datetime | None = members.get(f"{prefix}IfModifiedSince")
    unchanged = _matches(none_match, version) if none_match is not None else since is not None and modified <= since
    if unchanged:
        raise precondition_failed(f"{prefix}If-None-Match") if prefix else _not_modified(version)


def _is_after(modified: datetime, limit: datetime | None) -> bool:
    return limit is not None and modified > limit


def _matches(header: str, version: Version) -> bool:
    return any(unquoted(etag.strip().removeprefix("W/")) in ("*", version.etag) for etag in header.split(","))


def _not_modified(version: Version) -> ServiceError:
    modified = as_datetime(version.modified).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"ETag": quoted(version.etag), "Last-Modified": modified}
    return ServiceError("NotModified", "Not Modified", 304, headers=headers)


def write_condition(members: Members) -> Condition:
    """The condition of a write or delete; ServiceError NotImplemented for If-None-Match with anything but `*`."""
    none_match, match = members.get("IfNoneMatch"), members.get("IfMatch")
    if none_match is None and match is None:
        return UNCONDITIONAL
    if none_match is not None and none_match.strip() != "*":
        raise not_implemented("If-None-Match with anything but *", "If-None-Match")
    return Condition(if_match=None if match is None else unquoted(match), if_absent=none_match is not None)


def requested_span(header: str | None, size: int) -> Span | None:
    """The bytes a Range header asks for; None for all (no header, or one that says nothing S3 understands).

    ServiceError InvalidRange (416) where the object has none of them.
    """
    found = _RANGE.fullmatch(header.strip()) if header is not None else None
    if header is None or found is None or found[0].strip() == "" or (not found[1] and not found[2]):
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first >= size or last < first:
        members = {"RangeRequested": header, "ActualObjectSize": str(size)}
        raise ServiceError(
            "InvalidRange",
            "The requested range is not satisfiable",
            416,
            members=members,
            headers={"Content-Range": f"bytes */{size}"},
        )
    return Span(first, last)


def copied_span(header: str | None, size: int) -> Span:
    """The bytes of x-amz-copy-source-range, all without it; ServiceError InvalidArgument outside the source."""
    if header is None:
        return Span(0, size - 1)
    found = _COPY_RANGE.fullmatch(header.strip())
    if found is None or int(found[2]) < int(found[1]):
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
        raise invalid_argument(f"{message}zero-based offsets of the first and last bytes", _COPY_HEADER, header)
    if int(found[2]) >= size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise invalid_argument(message, _COPY_HEADER, header)
    return Span(int(found[1]), int(found[2]))


_COPY_HEADER = "x-amz-copy-source-range"
