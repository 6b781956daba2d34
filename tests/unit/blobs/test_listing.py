from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Page, Query, successor
from relook.blobs.records import Attributes, Target, Version, Versioning
from relook.core.clock import system_clock
from relook.store.engine import Store

ACCOUNT = "123456789012"

KEY_LETTERS = "ab/é\U0001f512\uffffÿ\x01"
KEYS = st.lists(st.text(KEY_LETTERS, min_size=1, max_size=5), unique=True, max_size=12)


def fill(root: Path, keys: Sequence[str], rounds: int = 1) -> FolderBlobs:
    blobs = FolderBlobs(Store.open(root / "relook.db"), root / "objects", system_clock)
    blobs.buckets.create(ACCOUNT, "us-east-1", "bucket")
    if rounds > 1:
        blobs.buckets.set_versioning(ACCOUNT, "bucket", Versioning.ENABLED)
    for _ in range(rounds):
        for key in keys:
            staged = blobs.objects.stage()
            blobs.objects.commit(ACCOUNT, "bucket", key, staged.finish(), Attributes())
    return blobs


def naive(keys: Sequence[str], prefix: str, delimiter: str, after: str) -> list[str]:
    """Every entry of a listing, by the definition: keys in byte order, rolled up at the delimiter."""
    entries: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else key[: at + len(delimiter)]
        if entry not in entries and not (at >= 0 and entry == after):
            entries.append(entry)
    return entries


def entries_of(page: Page[Version]) -> list[str]:
    return sorted([*(item.key for item in page.items), *page.prefixes], key=str.encode)


@settings(max_examples=60, deadline=None)
@given(
    keys=KEYS,
    prefix=st.text(KEY_LETTERS, max_size=2),
    delimiter=st.sampled_from(["", "/", "a", "//", "é"]),
    after=st.text(KEY_LETTERS, max_size=3),
    limit=st.integers(1, 5),
)
def test_pages_add_up_to_the_naive_listing(
    keys: list[str], prefix: str, delimiter: str, after: str, limit: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blobs = fill(Path(folder), keys)
        found: list[str] = []
        start = after
        while True:
            page = blobs.listing.objects(ACCOUNT, "bucket", Query(prefix, delimiter, limit, start))
            found += entries_of(page)
            if not page.truncated:
                break
            assert len(entries_of(page)) == limit
            start = page.last
        blobs._store.close()
    assert found == naive(keys, prefix, delimiter, after)


@settings(max_examples=25, deadline=None)
@given(keys=KEYS, limit=st.integers(1, 5), delete=st.booleans())
def test_versions_page_even_while_they_are_deleted(keys: list[str], limit: int, delete: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blobs = fill(Path(folder), keys, rounds=2)
        found: list[tuple[str, str]] = []
        query = Query(limit=limit)
        while True:
            page = blobs.listing.versions(ACCOUNT, "bucket", query)
            found += [(item.key, item.id) for item in page.items]
            for item in page.items if delete else ():
                blobs.objects.delete(ACCOUNT, "bucket", Target(item.key, item.id))
            if not page.truncated:
                break
            query = Query(limit=limit, after=page.last, after_entry=page.last_entry)
        blobs._store.close()
    assert len(set(found)) == len(found) == 2 * len(keys)
    by_key = [key for key, _ in found]
    assert by_key == sorted(by_key, key=str.encode)
    for (key, newer), (next_key, older) in pairwise(found):
        assert key != next_key or newer > older


def test_delete_markers_hide_their_keys(blobs: FolderBlobs) -> None:
    blobs.buckets.set_versioning(ACCOUNT, "bucket", Versioning.ENABLED)
    blobs.put(ACCOUNT, "bucket", "gone", b"", "text/plain")
    blobs.objects.delete(ACCOUNT, "bucket", Target("gone"))
    assert blobs.listing.objects(ACCOUNT, "bucket", Query()).items == []
    assert len(blobs.listing.versions(ACCOUNT, "bucket", Query()).items) == 2


def test_uploads_of_one_key_page_by_id(blobs: FolderBlobs) -> None:
    made = {blobs.uploads.create(ACCOUNT, "bucket", key, Attributes()).id for key in "aabbb"}
    found: list[str] = []
    query = Query(limit=2)
    while True:
        page = blobs.listing.uploads(ACCOUNT, "bucket", query)
        found += [item.id for item in page.items]
        if not page.truncated:
            break
        query = Query(limit=2, after=page.last, after_entry=page.last_entry)
    assert len(found) == 5
    assert set(found) == made


def test_a_page_of_nothing(blobs: FolderBlobs) -> None:
    blobs.put(ACCOUNT, "bucket", "key", b"", "text/plain")
    page = blobs.listing.objects(ACCOUNT, "bucket", Query(limit=0))
    assert (page.items, page.truncated) == ([], False)


@given(prefix=st.binary(max_size=4), tail=st.binary(max_size=4))
def test_the_successor_ends_a_prefix(prefix: bytes, tail: bytes) -> None:
    end = successor(prefix)
    assert end is None or end > prefix + tail
    assert end is not None or prefix.strip(b"\xff") == b""
