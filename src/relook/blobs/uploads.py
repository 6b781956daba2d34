"""Multipart uploads: parts are files of their own, and the completed object is those files in order."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import Connection

from relook.blobs.buckets import writing
from relook.blobs.crc import CRCS, composite, full_object
from relook.blobs.errors import ChecksumMismatch, PartInvalid, PartOrder, PartTooSmall, UploadMissing
from relook.blobs.files import Files
from relook.blobs.objects import NewVersion, Objects
from relook.blobs.records import (
    UNCONDITIONAL,
    Attributes,
    Checksum,
    ChecksumType,
    Condition,
    NamedPart,
    Part,
    Piece,
    StoredFile,
    Upload,
    Version,
)
from relook.blobs.rows import from_attributes, owned_bucket, to_part, to_upload, to_version
from relook.core.clock import Clock
from relook.store import objects as object_queries
from relook.store import objects_uploads as queries
from relook.store.engine import Store

MINIMUM_PART = 5 * 1024 * 1024
"""Bytes every part but the last must have."""


class Uploads:
    """Every method may block, and raises BlobError (see `blobs.errors`)."""

    def __init__(self, store: Store, files: Files, clock: Clock, objects: Objects) -> None:
        self._store = store
        self._files = files
        self._clock = clock
        self._objects = objects

    def create(
        self,
        account: str,
        bucket: str,
        key: str,
        attributes: Attributes,
        checksum_algorithm: str = "",
        checksum_type: ChecksumType = ChecksumType.FULL_OBJECT,
    ) -> Upload:
        """Begin an upload. Without an algorithm the object will carry the CRC32 of the whole."""
        upload = Upload(
            secrets.token_hex(24), bucket, key, self._clock(), attributes, checksum_algorithm, checksum_type
        )
        with writing(self._store) as connection:
            owned_bucket(connection, account, bucket)
            queries.insert_upload(
                connection,
                {
                    "id": upload.id,
                    "bucket": bucket,
                    "key": key.encode(),
                    "initiated": upload.initiated,
                    "attributes": from_attributes(attributes),
                    "checksum_algorithm": checksum_algorithm,
                    "checksum_type": checksum_type.value,
                },
            )
        return upload

    def get(self, account: str, bucket: str, key: str, upload_id: str) -> Upload:
        with self._store.read() as connection:
            owned_bucket(connection, account, bucket)
            return _upload(connection, bucket, key, upload_id)

    def put_part(
        self, account: str, bucket: str, key: str, upload_id: str, number: int, stored: StoredFile, checksum: str
    ) -> Part:
        """Keep a finished file as a part, in place of an earlier one of its number; it is gone when this raises.

        `checksum` is the part's value (base64) of the upload's algorithm; with none chosen, of CRC32.
        """
        part = Part(number, stored.id, stored.size, stored.crc32, stored.md5, checksum, self._clock())
        try:
            with writing(self._store) as connection:
                owned_bucket(connection, account, bucket)
                _upload(connection, bucket, key, upload_id)
                replaced = queries.put_part(connection, {"upload": upload_id, **_part_values(part)})
        except BaseException:
            self._files.remove([stored.id])
            raise
        self._files.remove(replaced)
        return part

    def parts(self, account: str, bucket: str, key: str, upload_id: str, after: int, limit: int) -> list[Part]:
        """Parts with numbers above `after`, in order, at most `limit`."""
        with self._store.read() as connection:
            owned_bucket(connection, account, bucket)
            _upload(connection, bucket, key, upload_id)
            return [to_part(row) for row in queries.parts(connection, upload_id, after, limit)]

    def abort(self, account: str, bucket: str, key: str, upload_id: str) -> None:
        with writing(self._store) as connection:
            owned_bucket(connection, account, bucket)
            _upload(connection, bucket, key, upload_id)
            files = queries.delete_upload(connection, upload_id)
        self._files.remove(files)

    def complete(
        self,
        account: str,
        bucket: str,
        key: str,
        upload_id: str,
        named: Sequence[NamedPart],
        *,
        checksum: str | None = None,
        size: int | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> Version:
        """Make the named parts, in order, the current version of the key; nothing is read or copied.

        `checksum` and `size` are what the client says of the whole. An upload that is complete already gives the
        version it made, so that a client may send the request again when the answer was lost.
        PartInvalid, PartOrder, PartTooSmall, ChecksumMismatch, ConditionFailed, UploadMissing.
        """
        with writing(self._store) as connection:
            owner = owned_bucket(connection, account, bucket)
            done = object_queries.version_of_upload(connection, bucket, key.encode(), upload_id)
            if done is not None:
                return to_version(done)
            upload = _upload(connection, bucket, key, upload_id)
            known = {row.number: to_part(row) for row in queries.parts(connection, upload_id)}
            parts = _chosen(upload, known, named)
            new = _assemble(upload, parts)
            _verify(new, checksum, size)
            leftovers = queries.delete_upload(connection, upload_id)
            version, garbage = self._objects.insert(connection, owner, new, condition)
            garbage = object_queries.unnamed(connection, [*garbage, *leftovers])
        self._files.remove(garbage)
        return version


def _upload(connection: Connection, bucket: str, key: str, upload_id: str) -> Upload:
    row = queries.upload(connection, bucket, key.encode(), upload_id)
    if row is None:
        raise UploadMissing(bucket, key, upload_id)
    return to_upload(row)


def _part_values(part: Part) -> dict[str, str | int]:
    return {
        "number": part.number,
        "file": part.file,
        "size": part.size,
        "crc32": part.crc32,
        "etag": part.etag,
        "checksum": part.checksum,
        "modified": part.modified,
    }


def _chosen(upload: Upload, known: dict[int, Part], named: Sequence[NamedPart]) -> list[Part]:
    """The parts a completion names, after every check on them."""
    chosen: list[Part] = []
    for name in named:
        if chosen and name.number <= chosen[-1].number:
            raise PartOrder(upload.bucket, upload.key, name.number)
        part = known.get(name.number)
        if part is None or part.etag != name.etag or name.checksum not in (None, part.checksum):
            raise PartInvalid(upload.bucket, upload.key, name.number, name.etag)
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < MINIMUM_PART:
            raise PartTooSmall(upload.bucket, upload.key, part.number, part.etag, part.size)
    return chosen


def _assemble(upload: Upload, parts: list[Part]) -> NewVersion:
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    algorithm = upload.checksum_algorithm or "CRC32"
    if upload.checksum_type is ChecksumType.COMPOSITE:
        value = composite(algorithm, (part.checksum for part in parts))
    else:
        value = full_object(algorithm, ((part.checksum, part.size) for part in parts))
    return NewVersion(
        key=upload.key,
        size=sum(part.size for part in parts),
        etag=f"{digest.hexdigest()}-{len(parts)}",
        attributes=upload.attributes,
        checksum=Checksum(algorithm, value, upload.checksum_type),
        pieces=tuple(Piece(part.file, part.size, part.crc32) for part in parts),
        upload_id=upload.id,
    )


def _verify(new: NewVersion, checksum: str | None, size: int | None) -> None:
    if checksum is not None and checksum != new.checksum.value:
        raise ChecksumMismatch(
            "", new.key, f"the parts make up {new.checksum.algorithm} {new.checksum.value}, not {checksum}"
        )
    if size is not None and size != new.size:
        raise ChecksumMismatch("", new.key, f"the parts make up {new.size} bytes, not {size}")


def crc32_of(stored: StoredFile) -> str:
    """The part checksum of an upload without an algorithm of its own."""
    return CRCS["CRC32"].encode(stored.crc32)
