"""Objects in a folder of the machine: what the S3 front and everything else read and write."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

from relook.blobs.buckets import Buckets
from relook.blobs.files import Files
from relook.blobs.listing import Listing
from relook.blobs.objects import Objects
from relook.blobs.records import Attributes
from relook.blobs.uploads import Uploads
from relook.core.clock import Clock
from relook.store import objects as queries
from relook.store.engine import Store

_BUFFER = 1 << 20


class FolderBlobs:
    """All objects of one data folder, bytes as files under `root`. Implements `blobs.interface.Blobs`.

    Safe to use from any thread, and from several processes on the same folder. Every method may block and raises
    BlobError (see `blobs.errors`). An object that was put is on disk when the call returns, and survives a kill and a
    power loss. Keys never become file names, so no key can name a file outside `root`.
    """

    def __init__(self, store: Store, root: Path, clock: Clock) -> None:
        self._store = store
        self._files = Files(root)
        self.buckets = Buckets(store, self._files, clock)
        self.objects = Objects(store, self._files, clock)
        self.uploads = Uploads(store, self._files, clock, self.objects)
        self.listing = Listing(store)

    def sweep(self) -> int:
        """Remove what a crash left behind: half-written files and files no row names. Returns how many.

        To be called once at start, while nobody writes: a file that waits for its row looks like a leftover.
        """

        def named(batch: list[str]) -> set[str]:
            with self._store.read() as connection:
                return queries.named(connection, batch)

        return self._files.sweep(named)

    def check_bucket(self, account: str, bucket: str) -> None:
        """Raise unless the bucket exists and belongs to `account`."""
        self.buckets.get(account, bucket)

    def size(self, account: str, bucket: str, key: str, version: str | None = None) -> int:
        """Bytes of the object, without reading it."""
        return self.objects.find(account, bucket, key, version).size

    def open(self, account: str, bucket: str, key: str, version: str | None = None) -> BinaryIO:
        """The object as a seekable file; the caller closes it."""
        _, reader = self.objects.find_and_open(account, bucket, key, version)
        return cast(BinaryIO, io.BufferedReader(reader, _BUFFER))

    def read(self, account: str, bucket: str, key: str, version: str | None = None) -> bytes:
        """The whole object."""
        found, reader = self.objects.find_and_open(account, bucket, key, version)
        with reader:
            return reader.read_exactly(found.size)

    def put(self, account: str, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store the object; on disk when this returns."""
        self.buckets.get(account, bucket)
        staged = self.objects.stage()
        try:
            staged.write(data)
            stored = staged.finish()
        except BaseException:
            staged.discard()
            raise
        self.objects.commit(account, bucket, key, stored, Attributes({"content-type": content_type}))
