"""Why an object could not be had.

BlobError
 +-- BucketMissing      no such bucket
 +-- BucketForeign      the bucket belongs to another account
 +-- ObjectMissing      no such key, or version
"""

from __future__ import annotations


class BlobError(Exception):
    """An object could not be read or written; `bucket` and `key` say which."""

    def __init__(self, bucket: str, key: str = "", detail: str = "") -> None:
        where = f"s3://{bucket}/{key}" if key else f"bucket {bucket}"
        super().__init__(f"{where}: {detail or (self.__doc__ or '').splitlines()[0]}")
        self.bucket = bucket
        self.key = key


class BucketMissing(BlobError):
    """There is no bucket of this name."""


class BucketForeign(BlobError):
    """The bucket belongs to another account."""


class ObjectMissing(BlobError):
    """There is no object under this key (and version)."""
