"""What is known of buckets, objects and uploads, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NULL_VERSION = "null"
"""The id of the version that a bucket without versioning writes."""


class Versioning(StrEnum):
    OFF = ""
    ENABLED = "Enabled"
    SUSPENDED = "Suspended"


class ChecksumType(StrEnum):
    FULL_OBJECT = "FULL_OBJECT"
    COMPOSITE = "COMPOSITE"


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    account: str
    region: str
    created: int
    versioning: Versioning


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the client wants to get back with the object."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Content headers by their lower-case name (content-type, cache-control, ...)."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata, without the x-amz-meta- prefix."""


@dataclass(frozen=True, slots=True)
class Checksum:
    algorithm: str
    """As S3 names it, such as CRC32 or SHA256."""
    value: str
    """Base64; a composite one ends in `-` and the number of parts."""
    type: ChecksumType = ChecksumType.FULL_OBJECT


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes on disk that no row speaks of yet."""

    id: str
    size: int
    md5: str
    """Lower-case hexadecimal."""
    crc32: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of an object; an object is its pieces in order."""

    file: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker."""

    serial: int
    bucket: str
    key: str
    id: str
    latest: bool
    delete_marker: bool
    size: int
    etag: str
    """Without quotes."""
    modified: int
    attributes: Attributes
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class Found:
    """A version as one look at the store shows it."""

    version: Version
    pieces: tuple[Piece, ...]
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of the current version for a write or delete to happen, tested in the very transaction."""

    if_match: str | None = None
    """An ETag (or `*`) the current version must have."""
    if_absent: bool = False
    """No current version may exist."""


UNCONDITIONAL = Condition()


@dataclass(frozen=True, slots=True)
class Target:
    """What to delete: one version for good, or (without an id) the key as its bucket's versioning has it."""

    key: str
    version_id: str | None = None
    condition: Condition = UNCONDITIONAL


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete did: the version removed (None: there was none), or the delete marker made."""

    removed: Version | None
    marker: Version | None


@dataclass(frozen=True, slots=True)
class Upload:
    id: str
    bucket: str
    key: str
    initiated: int
    attributes: Attributes
    checksum_algorithm: str
    """Empty where the client chose none."""
    checksum_type: ChecksumType


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    file: str
    size: int
    crc32: int
    etag: str
    checksum: str
    modified: int


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A part as a completion names it."""

    number: int
    etag: str
    checksum: str | None = None
