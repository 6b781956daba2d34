"""What everything but the S3 front needs of objects: whole small ones in and out, by bucket and key."""

from __future__ import annotations

from typing import BinaryIO, Protocol


class Blobs(Protocol):
    """Objects of one data folder. Every method may block and raise BlobError (see `blobs.errors`)."""

    def check_bucket(self, account: str, bucket: str) -> None:
        """Raise unless the bucket exists and belongs to `account`."""
        ...

    def size(self, account: str, bucket: str, key: str, version: str | None = None) -> int:
        """Bytes of the object, without reading it."""
        ...

    def read(self, account: str, bucket: str, key: str, version: str | None = None) -> bytes:
        """The whole object."""
        ...

    def open(self, account: str, bucket: str, key: str, version: str | None = None) -> BinaryIO:
        """The object as a file, for what is too large to hold; the caller closes it."""
        ...

    def put(self, account: str, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store the object; on disk when this returns."""
        ...
