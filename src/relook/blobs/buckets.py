"""Buckets: globally unique names, each owned by an account in a region."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from relook.blobs.errors import BucketExists, BucketNotEmpty, NoRoom
from relook.blobs.files import Files
from relook.blobs.records import Bucket, Versioning
from relook.blobs.rows import owned_bucket, to_bucket
from relook.core.clock import Clock
from relook.store import objects as queries
from relook.store.engine import StorageFull, Store


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """A write transaction; NoRoom where the disk is full."""
    try:
        with store.write() as connection:
            yield connection
    except StorageFull as error:
        raise NoRoom from error


class Buckets:
    def __init__(self, store: Store, files: Files, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    def create(self, account: str, region: str, name: str) -> Bucket:
        """Make a bucket; BucketExists where the name is taken, by whomever."""
        now = self._clock()
        with writing(self._store) as connection:
            row = queries.bucket(connection, name)
            if row is not None:
                raise BucketExists(name, owned=row.account == account, region=row.region)
            queries.insert_bucket(connection, name=name, account=account, region=region, created=now)
        return Bucket(name, account, region, now, Versioning.OFF)

    def get(self, account: str, name: str) -> Bucket:
        """The bucket; BucketMissing or BucketForeign."""
        with self._store.read() as connection:
            return owned_bucket(connection, account, name)

    def list(self, account: str) -> list[Bucket]:
        """All buckets of an account, by name."""
        with self._store.read() as connection:
            return [to_bucket(row) for row in queries.buckets_of(connection, account)]

    def delete(self, account: str, name: str) -> None:
        """Delete an empty bucket and the uploads under way in it; BucketNotEmpty while a version is left."""
        with writing(self._store) as connection:
            owned_bucket(connection, account, name)
            if queries.bucket_in_use(connection, name):
                raise BucketNotEmpty(name)
            files = queries.unnamed(connection, queries.delete_bucket(connection, name))
        self._files.remove(files)

    def set_versioning(self, account: str, name: str, versioning: Versioning) -> None:
        with writing(self._store) as connection:
            owned_bucket(connection, account, name)
            queries.set_versioning(connection, name, versioning.value)
