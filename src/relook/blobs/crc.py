"""S3's checksums of an object in parts: of the whole from those of its parts, and of the parts' checksums in a row."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import anycrc


@dataclass(frozen=True)
class Crc:
    """A cyclic redundancy check that S3 knows; `model` is its name in the catalogue of CRCs."""

    width: int
    model: str

    @cached_property
    def _engine(self) -> anycrc.CRC:
        return anycrc.Model(self.model)

    def of(self, data: bytes) -> int:
        """The check of `data`."""
        return int(self._engine.calc(data))

    def combine(self, first: int, second: int, second_length: int) -> int:
        """The check of a whole from those of its two halves."""
        return int(self._engine.combine(first, second, second_length))

    def encode(self, value: int) -> str:
        return base64.b64encode(value.to_bytes(self.width // 8, "big")).decode()


CRCS = {"CRC32": Crc(32, "CRC32"), "CRC32C": Crc(32, "CRC32C"), "CRC64NVME": Crc(64, "CRC64-NVME")}


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
