from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest

from relook.blobs.crc import CRCS
from relook.blobs.errors import ChecksumMismatch, PartInvalid, PartOrder, PartTooSmall, UploadMissing
from relook.blobs.folder import FolderBlobs
from relook.blobs.reader import ObjectReader
from relook.blobs.records import Attributes, ChecksumType, NamedPart, Part, StoredFile, Upload, Version
from relook.blobs.uploads import MINIMUM_PART, crc32_of

ACCOUNT = "123456789012"

FIRST, SECOND = b"a" * MINIMUM_PART, b"the end"


def begin(blobs: FolderBlobs, algorithm: str = "", kind: ChecksumType = ChecksumType.FULL_OBJECT) -> Upload:
    return blobs.uploads.create(ACCOUNT, "bucket", "key", Attributes(), algorithm, kind)


def part(blobs: FolderBlobs, upload: Upload, number: int, data: bytes) -> Part:
    staged = blobs.objects.stage()
    staged.write(data)
    stored = staged.finish()
    return blobs.uploads.put_part(ACCOUNT, "bucket", "key", upload.id, number, stored, crc32_of(stored))


def complete(blobs: FolderBlobs, upload: Upload, *parts: Part, checksum: str | None = None) -> Version:
    named = [NamedPart(part.number, part.etag) for part in parts]
    return blobs.uploads.complete(ACCOUNT, "bucket", "key", upload.id, named, checksum=checksum)


def files(root: Path) -> int:
    return sum(path.is_file() for path in (root / "objects").rglob("*"))


def test_parts_become_one_object(blobs: FolderBlobs) -> None:
    upload = begin(blobs)
    parts = [part(blobs, upload, 1, FIRST), part(blobs, upload, 7, SECOND)]
    version = complete(blobs, upload, *parts)
    digest = hashlib.md5(hashlib.md5(FIRST).digest() + hashlib.md5(SECOND).digest()).hexdigest()
    assert version.etag == f"{digest}-2"
    assert version.checksum.value == CRCS["CRC32"].encode(zlib.crc32(FIRST + SECOND))
    assert blobs.read(ACCOUNT, "bucket", "key") == FIRST + SECOND
    with blobs.open(ACCOUNT, "bucket", "key") as file:
        file.seek(MINIMUM_PART - 2)
        assert file.read(5) == b"aathe"


def test_a_completion_sent_again_gives_the_same_version(blobs: FolderBlobs) -> None:
    upload = begin(blobs)
    one = part(blobs, upload, 1, SECOND)
    assert complete(blobs, upload, one) == complete(blobs, upload, one)


def test_what_was_not_named_is_removed(blobs: FolderBlobs, tmp_path: Path) -> None:
    upload = begin(blobs)
    part(blobs, upload, 1, b"replaced")
    one = part(blobs, upload, 1, SECOND)
    part(blobs, upload, 2, b"left out")
    complete(blobs, upload, one)
    assert blobs.read(ACCOUNT, "bucket", "key") == SECOND
    assert files(tmp_path) == 1


def test_bad_completions_change_nothing(blobs: FolderBlobs) -> None:
    upload = begin(blobs)
    small, last = part(blobs, upload, 1, b"small"), part(blobs, upload, 2, SECOND)
    with pytest.raises(PartTooSmall):
        complete(blobs, upload, small, last)
    with pytest.raises(PartOrder):
        complete(blobs, upload, last, small)
    with pytest.raises(PartInvalid):
        blobs.uploads.complete(ACCOUNT, "bucket", "key", upload.id, [NamedPart(3, last.etag)])
    with pytest.raises(PartInvalid):
        blobs.uploads.complete(ACCOUNT, "bucket", "key", upload.id, [NamedPart(2, small.etag)])
    with pytest.raises(PartInvalid):
        blobs.uploads.complete(ACCOUNT, "bucket", "key", upload.id, [NamedPart(2, last.etag, "AAAAAA==")])
    with pytest.raises(ChecksumMismatch):
        complete(blobs, upload, last, checksum="AAAAAA==")
    assert complete(blobs, upload, last).size == len(SECOND)


def test_composite_checksum(blobs: FolderBlobs) -> None:
    upload = begin(blobs, "CRC32", ChecksumType.COMPOSITE)
    parts = [part(blobs, upload, 1, FIRST), part(blobs, upload, 2, SECOND)]
    assert complete(blobs, upload, *parts).checksum.value.endswith("-2")


def test_an_aborted_upload_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    upload = begin(blobs)
    part(blobs, upload, 1, SECOND)
    blobs.uploads.abort(ACCOUNT, "bucket", "key", upload.id)
    assert files(tmp_path) == 0
    with pytest.raises(UploadMissing):
        part(blobs, upload, 1, SECOND)
    assert files(tmp_path) == 0


def test_deleting_the_bucket_ends_its_uploads(blobs: FolderBlobs, tmp_path: Path) -> None:
    part(blobs, begin(blobs), 1, SECOND)
    blobs.buckets.delete(ACCOUNT, "bucket")
    assert files(tmp_path) == 0


def test_parts_survive_the_sweep(blobs: FolderBlobs) -> None:
    upload = begin(blobs)
    one = part(blobs, upload, 1, SECOND)
    assert blobs.sweep() == 0
    complete(blobs, upload, one)
    assert blobs.read(ACCOUNT, "bucket", "key") == SECOND


def test_an_object_of_more_parts_than_are_opened_at_once(blobs: FolderBlobs) -> None:
    source = blobs.objects.commit(ACCOUNT, "bucket", "source", _stored(blobs, FIRST), Attributes())
    upload = begin(blobs)
    parts = [part(blobs, upload, 1, FIRST)]
    pieces = list(blobs.objects.look_up(ACCOUNT, "bucket", "source").pieces) * 70
    assert source.size == len(FIRST)
    with ObjectReader(blobs.objects._files, pieces) as reader:
        for index in (69, 3, 66, 0):
            reader.seek(index * MINIMUM_PART + MINIMUM_PART - 1)
            assert reader.read_exactly(2) == (b"aa" if index < 69 else b"a")
    complete(blobs, upload, *parts)


def _stored(blobs: FolderBlobs, data: bytes) -> StoredFile:
    staged = blobs.objects.stage()
    staged.write(data)
    return staged.finish()
