from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relook.blobs.errors import (
    BucketExists,
    BucketForeign,
    BucketMissing,
    BucketNotEmpty,
    ConditionFailed,
    ObjectDeleted,
    ObjectMissing,
    VersionMissing,
)
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Attributes, Condition, StoredFile, Target, Version, Versioning

ACCOUNT = "123456789012"


def files_of(blobs: FolderBlobs, root: Path) -> list[Path]:
    return [path for path in (root / "objects").rglob("*") if path.is_file()]


def stored(blobs: FolderBlobs, data: bytes) -> StoredFile:
    staged = blobs.objects.stage()
    staged.write(data)
    return staged.finish()


def put(blobs: FolderBlobs, key: str, data: bytes, condition: Condition | None = None) -> Version:
    return blobs.objects.commit(
        ACCOUNT, "bucket", key, stored(blobs, data), Attributes(), condition=condition or Condition()
    )


def test_what_was_put_is_read(blobs: FolderBlobs) -> None:
    blobs.put(ACCOUNT, "bucket", "a/b.txt", b"hello", "text/plain")
    assert blobs.read(ACCOUNT, "bucket", "a/b.txt") == b"hello"
    assert blobs.size(ACCOUNT, "bucket", "a/b.txt") == 5
    with blobs.open(ACCOUNT, "bucket", "a/b.txt") as file:
        assert file.seek(-3, 2) == 2
        assert file.read() == b"llo"
    assert blobs.objects.find(ACCOUNT, "bucket", "a/b.txt").attributes.headers == {"content-type": "text/plain"}


def test_an_empty_object(blobs: FolderBlobs) -> None:
    blobs.put(ACCOUNT, "bucket", "empty", b"", "text/plain")
    assert blobs.read(ACCOUNT, "bucket", "empty") == b""


def test_missing_and_foreign(blobs: FolderBlobs) -> None:
    with pytest.raises(BucketMissing, match="bucket other"):
        blobs.check_bucket(ACCOUNT, "other")
    with pytest.raises(BucketForeign):
        blobs.read("999999999999", "bucket", "key")
    with pytest.raises(BucketForeign):
        blobs.put("999999999999", "bucket", "key", b"", "text/plain")
    with pytest.raises(ObjectMissing, match="s3://bucket/key"):
        blobs.read(ACCOUNT, "bucket", "key")
    with pytest.raises(VersionMissing):
        blobs.read(ACCOUNT, "bucket", "key", "0" * 32)


def test_bucket_names_are_global(blobs: FolderBlobs) -> None:
    with pytest.raises(BucketExists) as own:
        blobs.buckets.create(ACCOUNT, "eu-west-1", "bucket")
    with pytest.raises(BucketExists) as foreign:
        blobs.buckets.create("999999999999", "us-east-1", "bucket")
    assert (own.value.owned, foreign.value.owned) == (True, False)
    assert [bucket.name for bucket in blobs.buckets.list("999999999999")] == []


def test_replacing_removes_the_old_file(blobs: FolderBlobs, tmp_path: Path) -> None:
    put(blobs, "key", b"old")
    put(blobs, "key", b"new")
    assert blobs.read(ACCOUNT, "bucket", "key") == b"new"
    assert len(files_of(blobs, tmp_path)) == 1
    blobs.objects.delete(ACCOUNT, "bucket", Target("key"))
    assert files_of(blobs, tmp_path) == []
    blobs.buckets.delete(ACCOUNT, "bucket")


def test_a_bucket_with_objects_stays(blobs: FolderBlobs) -> None:
    put(blobs, "key", b"x")
    with pytest.raises(BucketNotEmpty):
        blobs.buckets.delete(ACCOUNT, "bucket")


def test_a_reader_outlives_the_delete(blobs: FolderBlobs, tmp_path: Path) -> None:
    put(blobs, "key", b"still here")
    with blobs.open(ACCOUNT, "bucket", "key") as file:
        blobs.objects.delete(ACCOUNT, "bucket", Target("key"))
        assert file.read() == b"still here"
    assert files_of(blobs, tmp_path) == []


def test_copies_share_bytes_and_live_on_alone(blobs: FolderBlobs, tmp_path: Path) -> None:
    source = put(blobs, "a", b"shared")
    blobs.objects.copy(ACCOUNT, source, "bucket", "b", Attributes())
    assert len(files_of(blobs, tmp_path)) == 1
    blobs.objects.delete(ACCOUNT, "bucket", Target("a"))
    assert blobs.read(ACCOUNT, "bucket", "b") == b"shared"
    blobs.objects.delete(ACCOUNT, "bucket", Target("b"))
    assert files_of(blobs, tmp_path) == []


def test_a_copy_onto_itself_keeps_the_bytes(blobs: FolderBlobs) -> None:
    source = put(blobs, "a", b"kept")
    blobs.objects.copy(ACCOUNT, source, "bucket", "a", Attributes(metadata={"x": "y"}))
    assert blobs.read(ACCOUNT, "bucket", "a") == b"kept"
    assert blobs.objects.find(ACCOUNT, "bucket", "a").attributes.metadata == {"x": "y"}


def test_write_conditions(blobs: FolderBlobs, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        put(blobs, "key", b"1", Condition(if_match="*"))
    first = put(blobs, "key", b"1", Condition(if_absent=True))
    with pytest.raises(ConditionFailed):
        put(blobs, "key", b"2", Condition(if_absent=True))
    with pytest.raises(ConditionFailed):
        put(blobs, "key", b"2", Condition(if_match="0" * 32))
    assert len(files_of(blobs, tmp_path)) == 1
    put(blobs, "key", b"2", Condition(if_match=first.etag))
    assert blobs.read(ACCOUNT, "bucket", "key") == b"2"


def test_only_one_of_many_first_writers_wins(blobs: FolderBlobs) -> None:
    won: list[int] = []

    def race(number: int) -> None:
        try:
            put(blobs, "key", str(number).encode(), Condition(if_absent=True))
            won.append(number)
        except ConditionFailed:
            pass

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert blobs.read(ACCOUNT, "bucket", "key") == str(won[0]).encode()


def test_reading_while_it_is_replaced_never_fails(blobs: FolderBlobs) -> None:
    put(blobs, "key", b"0")
    stop = threading.Event()
    seen: list[bytes] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                seen.append(blobs.read(ACCOUNT, "bucket", "key"))
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 40):
        put(blobs, "key", str(number).encode())
    stop.set()
    reader.join()
    assert failures == []
    assert [int(value) for value in seen] == sorted(int(value) for value in seen)


def test_versions_and_delete_markers(blobs: FolderBlobs) -> None:
    blobs.buckets.set_versioning(ACCOUNT, "bucket", Versioning.ENABLED)
    first, second = put(blobs, "key", b"1"), put(blobs, "key", b"2")
    assert blobs.read(ACCOUNT, "bucket", "key", first.id) == b"1"
    marker = blobs.objects.delete(ACCOUNT, "bucket", Target("key")).marker
    assert marker is not None
    with pytest.raises(ObjectDeleted):
        blobs.read(ACCOUNT, "bucket", "key")
    blobs.objects.delete(ACCOUNT, "bucket", Target("key", marker.id))
    assert blobs.read(ACCOUNT, "bucket", "key") == b"2"
    blobs.objects.delete(ACCOUNT, "bucket", Target("key", second.id))
    assert blobs.read(ACCOUNT, "bucket", "key") == b"1"


def test_a_suspended_bucket_replaces_only_its_null_version(blobs: FolderBlobs) -> None:
    put(blobs, "key", b"null")
    blobs.buckets.set_versioning(ACCOUNT, "bucket", Versioning.ENABLED)
    kept = put(blobs, "key", b"kept")
    blobs.buckets.set_versioning(ACCOUNT, "bucket", Versioning.SUSPENDED)
    assert put(blobs, "key", b"new null").id == "null"
    assert blobs.read(ACCOUNT, "bucket", "key", "null") == b"new null"
    assert blobs.read(ACCOUNT, "bucket", "key", kept.id) == b"kept"
    blobs.objects.delete(ACCOUNT, "bucket", Target("key"))
    with pytest.raises(ObjectDeleted):
        blobs.read(ACCOUNT, "bucket", "key", "null")
    assert blobs.read(ACCOUNT, "bucket", "key", kept.id) == b"kept"


def test_the_sweep_removes_only_leftovers(blobs: FolderBlobs, tmp_path: Path) -> None:
    put(blobs, "key", b"kept")
    stored(blobs, b"no row")
    blobs.objects.stage().write(b"half")
    assert blobs.sweep() == 2
    assert len(files_of(blobs, tmp_path)) == 1
    assert blobs.read(ACCOUNT, "bucket", "key") == b"kept"


def test_a_part_of_a_write_is_discarded(blobs: FolderBlobs, tmp_path: Path) -> None:
    staged = blobs.objects.stage()
    staged.write(b"half")
    staged.discard()
    assert files_of(blobs, tmp_path) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from relook.blobs.errors import NoRoom
from relook.blobs.folder import FolderBlobs
from relook.core.clock import system_clock
from relook.store.engine import Store

root = Path(sys.argv[1])
blobs = FolderBlobs(Store.open(root / "relook.db"), root / "objects", system_clock)
# The kernel refuses to let any file grow past this, as a full disk or a quota would.
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
blobs.put("123456789012", "bucket", "small", b"fits", "text/plain")
try:
    blobs.put("123456789012", "bucket", "small", bytes(2_000_000), "text/plain")
except NoRoom as error:
    print(error)
"""


def test_a_full_disk_is_said_and_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "free space there" in done.stdout
    assert blobs.read(ACCOUNT, "bucket", "small") == b"fits"
    assert len(files_of(blobs, tmp_path)) == 1


HARD_KEYS = [
    "../../etc/passwd",
    "/abs",
    "a//b",
    ".",
    "..",
    "a\x00b",
    "con\x1ftrol",
    "ключ/Å",
    "\U0001f512",
    "+ %2F",
    "\\",
    "a" * 1024,
]


@pytest.mark.parametrize("key", [*HARD_KEYS, "a" * 1024])
def test_hard_keys(blobs: FolderBlobs, tmp_path: Path, key: str) -> None:
    put(blobs, key, key.encode())
    assert blobs.read(ACCOUNT, "bucket", key) == key.encode()
    (file,) = files_of(blobs, tmp_path)
    assert len(file.relative_to(tmp_path / "objects").parts) == 2
    assert set(file.name) <= set("0123456789abcdef")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), unique=True, max_size=6)
)
def test_keys_never_mix(blobs: FolderBlobs, keys: list[str]) -> None:
    for key in keys:
        put(blobs, key, key.encode())
    for key in keys:
        assert blobs.read(ACCOUNT, "bucket", key) == key.encode()
