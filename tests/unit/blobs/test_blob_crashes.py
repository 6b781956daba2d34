"""A process that writes objects is killed at random moments; whatever it said was done must be there afterwards."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from relook.blobs.errors import ObjectMissing
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Query
from relook.core.clock import system_clock
from relook.store.engine import Store

ACCOUNT = "123456789012"
KEYS = 5
WRITER = """
import sys
from pathlib import Path
from relook.blobs.folder import FolderBlobs
from relook.blobs.records import Attributes, NamedPart, Target
from relook.blobs.uploads import crc32_of
from relook.core.clock import system_clock
from relook.store.engine import Store

root, start = Path(sys.argv[1]), int(sys.argv[2])
blobs = FolderBlobs(Store.open(root / "relook.db"), root / "objects", system_clock)
blobs.sweep()


def stored(data):
    staged = blobs.objects.stage()
    staged.write(data)
    return staged.finish()


def data_of(number):
    return (b"%08d" % number) * (1 + number % 3000)


for number in range(start, start + 100_000):
    key = f"key{number % 5}"
    print("begin", number, flush=True)
    if number % 7 == 0:
        upload = blobs.uploads.create("123456789012", "bucket", key, Attributes())
        file = stored(data_of(number))
        part = blobs.uploads.put_part("123456789012", "bucket", key, upload.id, 1, file, crc32_of(file))
        blobs.uploads.complete("123456789012", "bucket", key, upload.id, [NamedPart(1, part.etag)])
    elif number % 11 == 0:
        blobs.objects.delete("123456789012", "bucket", Target(key))
    else:
        blobs.put("123456789012", "bucket", key, data_of(number), "text/plain")
    print("done", number, flush=True)
"""


def data_of(number: int) -> bytes | None:
    """What a key holds after write `number`; None after a delete."""
    deletes = number % 7 != 0 and number % 11 == 0
    return None if deletes else (b"%08d" % number) * (1 + number % 3000)


def write_and_kill(root: Path, start: int, lines: int) -> tuple[list[int], int]:
    """Run the writer until it has said `lines` lines, kill it; the writes it acknowledged, and the one it was in."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(start)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    said += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    done = [int(line.split()[1]) for line in said if line.startswith("done") and line.endswith("\n")]
    begun = [int(line.split()[1]) for line in said if line.startswith("begin") and line.endswith("\n")]
    return done, begun[-1]


def read(blobs: FolderBlobs, key: str) -> bytes | None:
    try:
        return blobs.read(ACCOUNT, "bucket", key)
    except ObjectMissing:
        return None


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    store = Store.open(tmp_path / "relook.db")
    blobs = FolderBlobs(store, tmp_path / "objects", system_clock)
    blobs.buckets.create(ACCOUNT, "us-east-1", "bucket")
    expected: dict[str, bytes | None] = {f"key{number}": None for number in range(KEYS)}
    start = 0
    for _ in range(5):
        done, last = write_and_kill(tmp_path, start, chance.randrange(1, 60))
        for number in done:
            expected[f"key{number % KEYS}"] = data_of(number)
        blobs.sweep()
        for key, content in expected.items():
            found = read(blobs, key)
            legal = {content, data_of(last)} if key == f"key{last % KEYS}" else {content}
            assert found in legal, f"{key} after write {last}"
            expected[key] = found
        start = last + 1
    listed = blobs.listing.objects(ACCOUNT, "bucket", Query()).items
    assert {item.key for item in listed} == {key for key, content in expected.items() if content is not None}
    assert list((tmp_path / "objects" / "tmp").iterdir()) == []
    store.close()
