"""Objects cut into records, read no further than needed and never past the largest payload.

A record comes in two forms: `raw` as it stands in the object, which is what a request of many records is made of, and
`payload` without the wrapping of its format, which is what a request of one record sends.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from anycrc import Model

from relook.core.batch import BadRecord, PayloadTooLarge

RECORDIO_MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", RECORDIO_MAGIC)
_CRC32C = Model("CRC32C")
_MASK_DELTA = 0xA282EAD8


class Split(StrEnum):
    NONE = "None"
    LINE = "Line"
    RECORDIO = "RecordIO"
    TFRECORD = "TFRecord"


@dataclass(frozen=True, slots=True)
class Record:
    raw: bytes
    payload: bytes


def records(source: BinaryIO, split: Split, largest: int) -> Iterator[Record]:
    """The records of an object. `largest` bytes is the most that one may have.

    Raises BadRecord and PayloadTooLarge, which name the record by its number from 1.
    """
    return _SPLITTERS[split](source, largest)


def _whole(source: BinaryIO, largest: int) -> Iterator[Record]:
    content = source.read(largest + 1)
    if len(content) > largest:
        raise PayloadTooLarge(f"the object is larger than {_limit(largest)}; raise that, or split it with SplitType")
    yield Record(content, content)


def _lines(source: BinaryIO, largest: int) -> Iterator[Record]:
    number = 0
    while line := source.readline(largest + 1):
        number += 1
        _check_size(number, len(line), largest)
        if line.strip(b"\r\n"):  # an empty line is no record: nobody could answer it
            yield Record(line, line)


def _recordio(source: BinaryIO, largest: int) -> Iterator[Record]:
    number = 0
    while header := source.read(8):
        number += 1
        raw, parts = b"", []
        flag, expected = None, (0, 1)
        while flag not in (0, 3):
            part, flag, wrapped = _recordio_part(source, header, number, len(raw), largest)
            if flag not in expected:
                raise BadRecord(f"record {number} is broken: part {flag} of a RecordIO record where {expected} belong")
            raw += wrapped
            parts.append(part)
            expected = (2, 3)
            header = b"" if flag in (0, 3) else source.read(8)
        # Where the magic number occurs in the content, the writer has taken it out and begun a new part.
        yield Record(raw, _MAGIC_BYTES.join(parts))


def _recordio_part(source: BinaryIO, header: bytes, number: int, before: int, largest: int) -> tuple[bytes, int, bytes]:
    """The part's content, its flag (0 whole, 1 first, 2 middle, 3 last) and its bytes as they stand."""
    if len(header) < 8:
        raise BadRecord(f"record {number} is cut off")
    magic, word = struct.unpack("<II", header)
    if magic != RECORDIO_MAGIC:
        raise BadRecord(f"record {number} does not begin with the magic number of RecordIO")
    flag, length = word >> 29, word & (2**29 - 1)
    padded = (length + 3) // 4 * 4
    _check_size(number, before + 8 + padded, largest)
    content = _read(source, padded, number)
    return content[:length], flag, header + content


def _tfrecord(source: BinaryIO, largest: int) -> Iterator[Record]:
    number = 0
    while header := source.read(12):
        number += 1
        if len(header) < 12:
            raise BadRecord(f"record {number} is cut off")
        length, check = struct.unpack("<QI", header)
        _check_crc(header[:8], check, number)
        _check_size(number, 16 + length, largest)
        content = _read(source, length, number)
        footer = _read(source, 4, number)
        _check_crc(content, struct.unpack("<I", footer)[0], number)
        yield Record(header + content + footer, content)


def masked_crc(content: bytes) -> int:
    """CRC-32C, rotated and shifted as TFRecord files hold it."""
    crc: int = _CRC32C.calc(content)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _check_crc(content: bytes, check: int, number: int) -> None:
    if masked_crc(content) != check:
        raise BadRecord(f"record {number} is damaged: its TFRecord checksum is another")


def _read(source: BinaryIO, size: int, number: int) -> bytes:
    content = source.read(size)
    if len(content) < size:
        raise BadRecord(f"record {number} is cut off")
    return content


def _check_size(number: int, size: int, largest: int) -> None:
    if size > largest:
        raise PayloadTooLarge(f"record {number} is larger than {_limit(largest)}")


def _limit(size: int) -> str:
    return f"{size / 2**20:g} MB, the most of a request (MaxPayloadInMB)"


_SPLITTERS: Mapping[Split, Callable[[BinaryIO, int], Iterator[Record]]] = {
    Split.NONE: _whole,
    Split.LINE: _lines,
    Split.RECORDIO: _recordio,
    Split.TFRECORD: _tfrecord,
}
