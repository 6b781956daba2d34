"""Listings in byte order of keys: pages, prefixes, and keys rolled up at a delimiter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row

from relook.blobs.records import Upload, Version
from relook.blobs.rows import owned_bucket, to_upload, to_version
from relook.store import objects as queries
from relook.store import objects_uploads as upload_queries
from relook.store.engine import Store

T = TypeVar("T")
Fetch = Callable[[Connection, bytes, Any, bytes | None, int], Sequence[Row[Any]]]
"""Rows with low <= key < high, those of `low` itself only after an entry, at most so many."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to list of a bucket."""

    prefix: str = ""
    delimiter: str = ""
    limit: int = 1000
    after: str = ""
    """Only keys greater than this; if it is a common prefix, nothing under it either."""
    after_entry: str | None = None
    """Of the key `after`, the version or upload id seen last: the entries behind it come too."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    prefixes: list[str]
    truncated: bool
    last: str
    """The last key or common prefix given; "" if there is none."""
    last_entry: str | None
    """The version or upload id where the last one given was an item, None where it was a common prefix."""


@dataclass(slots=True)
class _Walk(Generic[T]):
    """One pass over the rows, until the page is full and one more is known to follow."""

    query: Query
    convert: Callable[[Row[Any]], T]
    entry: Callable[[T], str]
    items: list[T] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    last_entry: str | None = None

    def take(self, row: Row[Any]) -> tuple[bool, bytes | None]:
        """Account for a row: whether the page is full without it, and where the next key may lie if not right after."""
        group = self._group(row.key)
        if group is not None and group == self.query.after.encode():
            return False, successor(group)
        if len(self.items) + len(self.prefixes) >= self.query.limit:
            return True, None
        if group is not None:
            self.last, self.last_entry = group.decode(), None
            self.prefixes.append(self.last)
            return False, successor(group)
        item = self.convert(row)
        self.items.append(item)
        self.last, self.last_entry = row.key.decode(), self.entry(item)
        return False, None

    def _group(self, key: bytes) -> bytes | None:
        """The common prefix a key is rolled up under."""
        if not self.query.delimiter:
            return None
        delimiter = self.query.delimiter.encode()
        at = key.find(delimiter, len(self.query.prefix.encode()))
        return None if at < 0 else key[: at + len(delimiter)]

    def run(self, connection: Connection, fetch: Fetch, low: bytes, after: Any) -> Page[T]:
        if self.query.limit == 0:
            return self._page(False)
        high = successor(self.query.prefix.encode())
        size = self.query.limit + 1
        while rows := fetch(connection, low, after, high, size):
            skip: bytes | None = None
            for row in rows:
                if skip is not None and row.key < skip:
                    continue
                full, skip = self.take(row)
                if full:
                    return self._page(True)
            if len(rows) < size:
                break
            low, after = self._resume(rows[-1], skip)
        return self._page(False)

    def _resume(self, row: Row[Any], skip: bytes | None) -> tuple[bytes, Any]:
        if skip is not None:
            return skip, None
        return row.key, getattr(row, "serial", None) or row.id

    def _page(self, truncated: bool) -> Page[T]:
        return Page(self.items, self.prefixes, truncated, self.last, self.last_entry)


class Listing:
    """Every method may block, and raises BucketMissing or BucketForeign."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def objects(self, account: str, bucket: str, query: Query) -> Page[Version]:
        """Current versions; delete markers hide their keys."""

        def fetch(connection: Connection, low: bytes, after: Any, high: bytes | None, limit: int) -> Sequence[Row[Any]]:
            start = low if after is None else low + b"\0"
            return queries.page_of_objects(connection, bucket, start, high, limit)

        with self._store.read() as connection:
            owned_bucket(connection, account, bucket)
            walk = _Walk(query, to_version, lambda version: version.id)
            return walk.run(connection, fetch, _low(query), None)

    def versions(self, account: str, bucket: str, query: Query) -> Page[Version]:
        """All versions and delete markers, the newest of a key first."""

        def fetch(connection: Connection, low: bytes, after: Any, high: bytes | None, limit: int) -> Sequence[Row[Any]]:
            return queries.page_of_versions(connection, bucket, low, after, high, limit)

        with self._store.read() as connection:
            owned_bucket(connection, account, bucket)
            below = _serial(connection, bucket, query.after, query.after_entry) if _inside_key(query) else None
            walk = _Walk(query, to_version, lambda version: version.id)
            return walk.run(connection, fetch, _low(query), below)

    def uploads(self, account: str, bucket: str, query: Query) -> Page[Upload]:
        """Multipart uploads under way, by key and id."""

        def fetch(connection: Connection, low: bytes, after: Any, high: bytes | None, limit: int) -> Sequence[Row[Any]]:
            return upload_queries.page_of_uploads(connection, bucket, low, after, high, limit)

        with self._store.read() as connection:
            owned_bucket(connection, account, bucket)
            walk = _Walk(query, to_upload, lambda upload: upload.id)
            after = query.after_entry if _inside_key(query) else None
            return walk.run(connection, fetch, _low(query), after)


def _low(query: Query) -> bytes:
    """The least key that can be in the listing."""
    prefix = query.prefix.encode()
    if not query.after:
        return prefix
    after = query.after.encode()
    return max(prefix, after if query.after_entry is not None else after + b"\0")


def _inside_key(query: Query) -> bool:
    """Whether the listing goes on among the entries of one key."""
    return query.after_entry is not None and query.after.encode() == _low(query)


def _serial(connection: Connection, bucket: str, key: str, version_id: str | None) -> int | None:
    """The serial of a version that may be deleted by now; None (list the whole key again) where nothing tells it."""
    if version_id is None:
        return None
    row = queries.version(connection, bucket, key.encode(), version_id)
    if row is not None:
        return int(row.serial)
    try:
        return int(version_id[:16], 16)
    except ValueError:
        return None


def successor(prefix: bytes) -> bytes | None:
    """The least bytes greater than everything that starts with `prefix`; None where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
