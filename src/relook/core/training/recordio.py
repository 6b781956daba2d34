"""Records as MXNet's RecordIO frames them, for pipes: magic, flag and length, content, padding to four bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
MAX_RECORD_BYTES = 2**29 - 1
"""The length has 29 bits."""


def frame(content: bytes) -> bytes:
    """One record. A reader looks for the magic number at multiples of four, so there the content is cut around it."""
    parts = list(_parts(content))
    if len(parts) == 1:
        return _frame(parts[0], 0)
    flags = [1, *[2] * (len(parts) - 2), 3]
    return b"".join(_frame(part, flag) for part, flag in zip(parts, flags, strict=True))


def _parts(content: bytes) -> Iterator[bytes]:
    begin, at = 0, content.find(_MAGIC_BYTES)
    while at >= 0:
        if at % 4 == 0:
            yield content[begin:at]
            begin = at + 4
            at = content.find(_MAGIC_BYTES, begin)
        else:
            at = content.find(_MAGIC_BYTES, at + 1)
    yield content[begin:]


def _frame(content: bytes, flag: int) -> bytes:
    if len(content) > MAX_RECORD_BYTES:
        raise ValueError(f"a RecordIO record holds at most {MAX_RECORD_BYTES} bytes, not {len(content)}")
    header = struct.pack("<II", MAGIC, flag << 29 | len(content))
    return header + content + bytes(-len(content) % 4)
