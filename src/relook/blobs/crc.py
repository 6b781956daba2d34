"""Cyclic redundancy checks: of short data in plain Python, and of a whole from those of its parts.

The check of A followed by B is that of A advanced over len(B) zero bytes, xor that of B. Advancing is linear over
GF(2), so it is a product of matrices, squared once for each doubling of the length (Mark Adler's crc32_combine).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

Matrix = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Crc:
    """A reflected CRC with all bits set at the start and inverted at the end."""

    width: int
    polynomial: int
    """Reflected: the lowest bit stands for the highest power."""

    def of(self, data: bytes) -> int:
        """The check of `data`; slow, meant for kilobytes."""
        table = _table(self)
        register = (1 << self.width) - 1
        for byte in data:
            register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        return register ^ ((1 << self.width) - 1)

    def combine(self, first: int, second: int, second_length: int) -> int:
        """The check of a whole from those of its two halves."""
        bit = 0
        while second_length >> bit:
            if (second_length >> bit) & 1:
                first = _times(_advance(self, bit), first)
            bit += 1
        return first ^ second

    def encode(self, value: int) -> str:
        return base64.b64encode(value.to_bytes(self.width // 8, "big")).decode()


CRCS = {
    "CRC32": Crc(32, 0xEDB88320),
    "CRC32C": Crc(32, 0x82F63B78),
    "CRC64NVME": Crc(64, 0x9A6C9329AC4BC9B5),
}


def composite(algorithm: str, values: Iterable[str]) -> str:
    """S3's checksum of checksums: that of the parts' raw values in a row, and their number."""
    raw = [base64.b64decode(value) for value in values]
    whole = b"".join(raw)
    if algorithm in CRCS:
        encoded = CRCS[algorithm].encode(CRCS[algorithm].of(whole))
    else:
        encoded = base64.b64encode(hashlib.new(algorithm.lower(), whole).digest()).decode()
    return f"{encoded}-{len(raw)}"


def full_object(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The CRC of a whole object from the base64 CRCS and sizes of its parts, in order."""
    crc = CRCS[algorithm]
    total = 0
    for value, size in parts:
        total = crc.combine(total, int.from_bytes(base64.b64decode(value), "big"), size)
    return crc.encode(total)


@cache
def _table(crc: Crc) -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (crc.polynomial if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


@cache
def _advance(crc: Crc, bit: int) -> Matrix:
    """The matrix that moves a register over 2**bit zero bytes; column i is where bit i goes."""
    if bit == 0:
        table = _table(crc)
        return tuple(table[(1 << i) & 0xFF] ^ ((1 << i) >> 8) for i in range(crc.width))
    half = _advance(crc, bit - 1)
    return tuple(_times(half, column) for column in half)


def _times(matrix: Matrix, vector: int) -> int:
    result = 0
    index = 0
    while vector:
        if vector & 1:
            result ^= matrix[index]
        vector >>= 1
        index += 1
    return result
