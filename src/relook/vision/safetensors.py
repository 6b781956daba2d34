"""The safetensors format: the length of a JSON header, the header with each tensor's place, then the tensors.

Nothing in it can run, which is why weights are taken in this form and never as a pickle.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_TYPES = {"F32": "<f4", "F16": "<f2"}
_ALIGNMENT = 8


def looks_like(raw: bytes) -> bool:
    """Whether `raw` begins as such a file does; a truncated one still does."""
    return len(raw) > 9 and raw[8:9] == b"{" and _header_length(raw) < 2**27


def read(raw: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of 16 and 32 bit floats, as float32; others (counters of batches) are left out.

    Raises ValueError when the file is truncated or its header lies.
    """
    length = _header_length(raw)
    if length > len(raw) - 8:
        raise ValueError("it is truncated inside its header")
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    body = memoryview(raw)[8 + length :]
    end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    if end > len(body):
        raise ValueError(f"it is truncated: {len(body)} bytes of tensors are there, {end} belong to it")
    return {name: _tensor(name, entry, body) for name, entry in header.items() if entry["dtype"] in _TYPES}


def write(tensors: Mapping[str, npt.NDArray[np.float32]]) -> bytes:
    """A file of 16 bit floats, sorted by name: the same tensors give the same bytes.

    Raises ValueError when a value is not finite in 16 bits.
    """
    header, parts, at = {}, [], 0
    for name in sorted(tensors):
        with np.errstate(over="ignore"):
            values = tensors[name].astype(_TYPES["F16"])
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that 16 bit floats cannot")
        parts.append(values.tobytes())
        header[name] = {"dtype": "F16", "shape": list(values.shape), "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def _header_length(raw: bytes) -> int:
    return int(struct.unpack("<Q", raw[:8])[0])


def _tensor(name: str, entry: Mapping[str, Any], body: memoryview) -> npt.NDArray[np.float32]:
    start, end = (int(offset) for offset in entry["data_offsets"])
    kind = np.dtype(_TYPES[entry["dtype"]])
    if not 0 <= start <= end or end - start != math.prod(entry["shape"]) * kind.itemsize:
        raise ValueError(f"the place of {name} does not fit its shape")
    return np.frombuffer(body[start:end], kind).reshape(entry["shape"]).astype(np.float32)
