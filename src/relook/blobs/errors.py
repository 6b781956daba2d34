"""Why an object could not be had or written.

BlobError
 +-- BucketMissing         no such bucket
 +-- BucketForeign         the bucket belongs to another account
 +-- BucketExists          the name is taken
 +-- BucketNotEmpty        the bucket still holds objects or versions
 +-- ObjectMissing         no such key, or version
 |    +-- VersionMissing   the key exists, this version of it does not
 |    +-- ObjectDeleted    what stands there is a delete marker
 |    +-- ObjectGone       it was there a moment ago: look again
 +-- ConditionFailed       a condition on what is there now does not hold
 +-- UploadMissing         no such multipart upload
 +-- PartProblem           a part cannot be completed
 |    +-- PartInvalid      not uploaded, or another ETag or checksum
 |    +-- PartOrder        part numbers do not ascend
 |    +-- PartTooSmall     under 5 MiB, and not the last
 +-- ChecksumMismatch      the whole object has another checksum than promised
 +-- NoRoom                the disk that holds the data folder is full
"""

from __future__ import annotations


class BlobError(Exception):
    """An object could not be read or written; `bucket` and `key` say which."""

    def __init__(self, bucket: str, key: str = "", detail: str = "") -> None:
        where = f"s3://{bucket}/{key}" if key else f"bucket {bucket}"
        self.detail = detail or (self.__doc__ or "").splitlines()[0]
        super().__init__(f"{where}: {self.detail}")
        self.bucket = bucket
        self.key = key


class BucketMissing(BlobError):
    """There is no bucket of this name."""


class BucketForeign(BlobError):
    """The bucket belongs to another account."""


class BucketExists(BlobError):
    """The bucket exists already; choose another name."""

    def __init__(self, bucket: str, *, owned: bool, region: str) -> None:
        super().__init__(bucket)
        self.owned = owned
        self.region = region


class BucketNotEmpty(BlobError):
    """The bucket still holds objects or versions; delete them first."""


class ObjectMissing(BlobError):
    """There is no object under this key (and version)."""


class VersionMissing(ObjectMissing):
    """The key has no such version."""

    def __init__(self, bucket: str, key: str, version: str) -> None:
        super().__init__(bucket, key, f"there is no version {version}")
        self.version = version


class ObjectDeleted(ObjectMissing):
    """The object was deleted: a delete marker stands in its place."""

    def __init__(self, bucket: str, key: str, version: str, modified: int) -> None:
        super().__init__(bucket, key)
        self.version = version
        self.modified = modified


class ObjectGone(ObjectMissing):
    """The version was replaced or deleted since it was looked up."""


class ConditionFailed(BlobError):
    """At least one of the pre-conditions you specified did not hold"""

    def __init__(self, bucket: str, key: str, condition: str) -> None:
        super().__init__(bucket, key)
        self.condition = condition


class UploadMissing(BlobError):
    """The multipart upload does not exist: the id is wrong, or it was completed or aborted."""

    def __init__(self, bucket: str, key: str, upload: str) -> None:
        super().__init__(bucket, key)
        self.upload = upload


class PartProblem(BlobError):
    """A part of a multipart upload cannot be completed."""

    def __init__(self, bucket: str, key: str, number: int, etag: str = "", size: int = 0) -> None:
        super().__init__(bucket, key, f"{(self.__doc__ or '').splitlines()[0]} (part {number})")
        self.number = number
        self.etag = etag
        self.size = size


class PartInvalid(PartProblem):
    """The part was not uploaded, or its ETag or checksum is another."""


class PartOrder(PartProblem):
    """The part numbers do not ascend."""


class PartTooSmall(PartProblem):
    """The part is smaller than 5 MiB and not the last one."""


class ChecksumMismatch(BlobError):
    """The whole object has another checksum or size than the request promised."""


class NoRoom(BlobError):
    """The disk that holds the data folder is full (or a quota is reached): free space there and send it again."""

    def __init__(self) -> None:
        Exception.__init__(self, (self.__doc__ or "").splitlines()[0])
        self.detail = str(self)
        self.bucket = self.key = ""
