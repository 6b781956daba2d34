from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.blobs.crc import CRCS, composite, full_object


@pytest.mark.parametrize(
    ("name", "check"), [("CRC32", 0xCBF43926), ("CRC32C", 0xE3069283), ("CRC64NVME", 0xAE8B14860A799888)]
)
def test_published_check_values(name: str, check: int) -> None:
    assert CRCS[name].of(b"123456789") == check


@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=6), name=st.sampled_from(sorted(CRCS)))
def test_the_whole_from_its_parts(parts: list[bytes], name: str) -> None:
    crc = CRCS[name]
    whole = full_object(name, [(crc.encode(crc.of(part)), len(part)) for part in parts])
    assert whole == crc.encode(crc.of(b"".join(parts)))


def test_long_parts_combine_without_reading_them() -> None:
    zeros = bytes(1 << 20)
    once, total = zlib.crc32(zeros), 0
    for _ in range(5):
        total = zlib.crc32(zeros, total)
    assert CRCS["CRC32"].combine(once, CRCS["CRC32"].combine(*[once] * 2, len(zeros)), 2 * len(zeros)) == zlib.crc32(
        zeros * 3
    )
    assert full_object("CRC32", [(CRCS["CRC32"].encode(once), len(zeros))] * 5) == CRCS["CRC32"].encode(total)


def test_composite_is_the_checksum_of_the_raw_checksums() -> None:
    values = [base64.b64encode(zlib.crc32(part).to_bytes(4, "big")).decode() for part in (b"one", b"two")]
    raw = zlib.crc32(b"one").to_bytes(4, "big") + zlib.crc32(b"two").to_bytes(4, "big")
    assert composite("CRC32", values) == base64.b64encode(zlib.crc32(raw).to_bytes(4, "big")).decode() + "-2"
