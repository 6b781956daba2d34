"""Writers of the formats that batch transform splits, after their public descriptions and not after our readers."""

from __future__ import annotations

import struct

MAGIC = b"\x0a\x23\xd7\xce"


def recordio(payload: bytes) -> bytes:
    """One MXNet record: aligned magic numbers inside the payload are taken out, and the record continued after them."""
    cuts = [at for at in range(0, len(payload) - 3, 4) if payload[at : at + 4] == MAGIC]
    starts = [0, *(cut + 4 for cut in cuts)]
    parts = [payload[start:end] for start, end in zip(starts, [*cuts, len(payload)], strict=True)]
    flags = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(_part(flag, part) for flag, part in zip(flags, parts, strict=True))


def _part(flag: int, content: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << 29 | len(content)) + content + b"\0" * (-len(content) % 4)


def tfrecord(payload: bytes) -> bytes:
    header = struct.pack("<Q", len(payload))
    return header + _masked(header) + payload + _masked(payload)


def _masked(content: bytes) -> bytes:
    crc = _crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def _crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
