"""Objects: versions in rows, bytes in files, and the one order in which both are written and removed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from relook.blobs.buckets import writing
from relook.blobs.crc import CRCS
from relook.blobs.errors import ConditionFailed, ObjectDeleted, ObjectGone, ObjectMissing, VersionMissing
from relook.blobs.files import Files, Staged
from relook.blobs.reader import ObjectReader
from relook.blobs.records import (
    NULL_VERSION,
    UNCONDITIONAL,
    Attributes,
    Bucket,
    Checksum,
    Condition,
    Deleted,
    Found,
    Piece,
    StoredFile,
    Target,
    Version,
    Versioning,
)
from relook.blobs.rows import from_attributes, owned_bucket, to_piece, to_version
from relook.core.clock import Clock
from relook.store import objects as queries
from relook.store.engine import Store

NO_CHECKSUM = Checksum("", "")


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version about to be written: everything but its place among the others."""

    key: str
    size: int
    etag: str
    attributes: Attributes
    checksum: Checksum
    pieces: tuple[Piece, ...]
    upload_id: str | None = None
    delete_marker: bool = False


class Objects:
    """Every method may block, and raises BlobError (see `blobs.errors`)."""

    def __init__(self, store: Store, files: Files, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    def stage(self) -> Staged:
        """A file to write an object's bytes to, before `commit`."""
        return self._files.stage()

    def commit(
        self,
        account: str,
        bucket: str,
        key: str,
        stored: StoredFile,
        attributes: Attributes,
        *,
        checksum: Checksum | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> Version:
        """Make a finished file the current version of a key; the file is gone when this raises.

        Without a checksum of the client's, the object carries the CRC32 of its bytes.
        """
        new = _plain(key, stored, attributes, checksum)
        try:
            with writing(self._store) as connection:
                owner = owned_bucket(connection, account, bucket)
                version, garbage = self.insert(connection, owner, new, condition)
        except BaseException:
            self._files.remove([stored.id])
            raise
        self._files.remove(garbage)
        return version

    def commit_with(
        self,
        account: str,
        bucket: str,
        made: Mapping[str, tuple[StoredFile, Attributes]],
        record: Callable[[Connection, Sequence[Version]], None],
    ) -> None:
        """Make finished files the current versions of their keys, and what `record` writes of them, in one transaction.

        The files are gone when this raises, also for what `record` raised.
        """
        garbage: list[str] = []
        try:
            with writing(self._store) as connection:
                owner = owned_bucket(connection, account, bucket)
                versions = []
                for key, (stored, attributes) in made.items():
                    version, replaced = self.insert(connection, owner, _plain(key, stored, attributes), UNCONDITIONAL)
                    versions.append(version)
                    garbage += replaced
                record(connection, versions)
        except BaseException:
            self._files.remove([stored.id for stored, _ in made.values()])
            raise
        self._files.remove(garbage)

    def insert(
        self, connection: Connection, bucket: Bucket, new: NewVersion, condition: Condition
    ) -> tuple[Version, list[str]]:
        """Insert a version inside the caller's transaction; returns it and the files to remove after the commit."""
        key = new.key.encode()
        self._check(connection, bucket.name, new.key, condition)
        garbage: list[str] = []
        if bucket.versioning is not Versioning.ENABLED:
            replaced = queries.version(connection, bucket.name, key, NULL_VERSION)
            garbage = queries.delete_version(connection, replaced) if replaced is not None else []
        placeholder = NULL_VERSION if bucket.versioning is not Versioning.ENABLED else secrets.token_hex(16)
        serial = queries.insert_version(connection, _values(bucket.name, new, placeholder, self._clock()))
        if bucket.versioning is Versioning.ENABLED:
            # The serial leads, so that a listing can go on after a version that is deleted meanwhile.
            queries.rename_version(connection, serial, f"{serial:016x}{secrets.token_hex(8)}")
        queries.insert_pieces(connection, serial, ((piece.file, piece.size, piece.crc32) for piece in new.pieces))
        row = queries.latest(connection, bucket.name, key)
        if row is None:
            raise AssertionError("a version just inserted is the latest one of its key")
        return to_version(row), garbage

    def _check(self, connection: Connection, bucket: str, key: str, condition: Condition) -> None:
        if condition == UNCONDITIONAL:
            return
        row = queries.latest(connection, bucket, key.encode())
        present = row is not None and not row.delete_marker
        if condition.if_absent and present:
            raise ConditionFailed(bucket, key, "If-None-Match")
        if condition.if_match is not None:
            if row is None or not present:
                raise ObjectMissing(bucket, key)
            if condition.if_match not in ("*", row.etag):
                raise ConditionFailed(bucket, key, "If-Match")

    def find(self, account: str, bucket: str, key: str, version_id: str | None = None) -> Version:
        """A version, the current one by default.

        ObjectDeleted where a delete marker stands there, VersionMissing, ObjectMissing.
        """
        return self.look_up(account, bucket, key, version_id).version

    def look_up(self, account: str, bucket: str, key: str, version_id: str | None = None) -> Found:
        """A version with its pieces and bucket; raises as `find` does."""
        with self._store.read() as connection:
            owner = owned_bucket(connection, account, bucket)
            version = _find(connection, bucket, key, version_id)
            pieces = tuple(to_piece(row) for row in queries.pieces(connection, version.serial))
        return Found(version, pieces, owner)

    def find_and_open(
        self, account: str, bucket: str, key: str, version_id: str | None = None
    ) -> tuple[Version, ObjectReader]:
        """A version and its bytes; raises as `find` does. The caller closes the reader."""
        while True:
            found = self.look_up(account, bucket, key, version_id)
            try:
                return found.version, self.open(found)
            except ObjectGone:
                continue  # `look_up` gives what stands there now, or raises

    def open(self, found: Found) -> ObjectReader:
        """The bytes of a version, held until the reader is closed; ObjectGone if it was deleted meanwhile."""
        gone = ObjectGone(found.version.bucket, found.version.key)
        try:
            reader = ObjectReader(self._files, found.pieces)
        except FileNotFoundError as error:
            raise gone from error
        with ExitStack() as stack:
            stack.callback(reader.close)
            # Pinned now: if the rows are still there, no later delete can remove the files under the reader.
            with self._store.read() as connection:
                if not queries.pieces(connection, found.version.serial):
                    raise gone
            stack.pop_all()
        return reader

    def copy(
        self,
        account: str,
        source: Version,
        bucket: str,
        key: str,
        attributes: Attributes,
        condition: Condition = UNCONDITIONAL,
    ) -> Version:
        """Make another object of the same bytes, without copying them: both share the files.

        ETag, checksum and parts stay those of the source. The caller has checked that `source` may be read. ObjectGone
        if it was deleted meanwhile.
        """
        with writing(self._store) as connection:
            owner = owned_bucket(connection, account, bucket)
            pieces = tuple(to_piece(row) for row in queries.pieces(connection, source.serial))
            if not pieces:
                raise ObjectGone(source.bucket, source.key)
            new = NewVersion(key, source.size, source.etag, attributes, source.checksum, pieces)
            version, garbage = self.insert(connection, owner, new, condition)
            garbage = queries.unnamed(connection, garbage)  # a copy onto itself names again what it replaced
        self._files.remove(garbage)
        return version

    def delete(self, account: str, bucket: str, target: Target) -> Deleted:
        """Delete; nothing there is no error. ConditionFailed."""
        (outcome,) = self.delete_many(account, bucket, [target])
        if isinstance(outcome, ConditionFailed):
            raise outcome
        return outcome

    def delete_many(self, account: str, bucket: str, targets: Sequence[Target]) -> list[Deleted | ConditionFailed]:
        """Delete all of `targets` in one transaction but those whose condition failed; one outcome for each."""
        outcomes: list[Deleted | ConditionFailed] = []
        garbage: list[str] = []
        with writing(self._store) as connection:
            owner = owned_bucket(connection, account, bucket)
            for target in targets:
                try:
                    deleted, files = self._delete(connection, owner, target)
                except ConditionFailed as error:
                    outcomes.append(error)
                    continue
                outcomes.append(deleted)
                garbage += files
        self._files.remove(garbage)
        return outcomes

    def _delete(self, connection: Connection, bucket: Bucket, target: Target) -> tuple[Deleted, list[str]]:
        try:
            self._check(connection, bucket.name, target.key, target.condition)
        except ObjectMissing:  # a condition on what is not there: S3 calls the delete done
            return Deleted(None, None), []
        if target.version_id is not None:
            return _delete_one(connection, bucket.name, target.key, target.version_id)
        return self._delete_current(connection, bucket, target.key)

    def _delete_current(self, connection: Connection, bucket: Bucket, key: str) -> tuple[Deleted, list[str]]:
        if bucket.versioning is Versioning.OFF:
            return _delete_one(connection, bucket.name, key, NULL_VERSION)
        marker = NewVersion(key, 0, "", Attributes(), NO_CHECKSUM, (), delete_marker=True)
        version, garbage = self.insert(connection, bucket, marker, UNCONDITIONAL)
        return Deleted(None, version), garbage


def _plain(key: str, stored: StoredFile, attributes: Attributes, checksum: Checksum | None = None) -> NewVersion:
    """An object of one file."""
    return NewVersion(
        key=key,
        size=stored.size,
        etag=stored.md5,
        attributes=attributes,
        checksum=checksum or Checksum("CRC32", CRCS["CRC32"].encode(stored.crc32)),
        pieces=(Piece(stored.id, stored.size, stored.crc32),),
    )


def _find(connection: Connection, bucket: str, key: str, version_id: str | None) -> Version:
    if version_id is None:
        row = queries.latest(connection, bucket, key.encode())
    else:
        row = queries.version(connection, bucket, key.encode(), version_id)
    if row is None:
        raise ObjectMissing(bucket, key) if version_id is None else VersionMissing(bucket, key, version_id)
    if row.delete_marker:
        raise ObjectDeleted(bucket, key, row.version_id, row.modified)
    return to_version(row)


def _delete_one(connection: Connection, bucket: str, key: str, version_id: str) -> tuple[Deleted, list[str]]:
    row = queries.version(connection, bucket, key.encode(), version_id)
    if row is None:
        return Deleted(None, None), []
    return Deleted(to_version(row), None), queries.delete_version(connection, row)


def _values(bucket: str, new: NewVersion, version_id: str, now: int) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "key": new.key.encode(),
        "version_id": version_id,
        "delete_marker": new.delete_marker,
        "size": new.size,
        "etag": new.etag,
        "modified": now,
        "attributes": from_attributes(new.attributes),
        "checksum_algorithm": new.checksum.algorithm,
        "checksum_value": new.checksum.value,
        "checksum_type": new.checksum.type.value,
        "upload_id": new.upload_id,
    }
