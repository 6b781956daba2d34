"""The codecs that handlers get without asking: JSON, CSV and NumPy's own format (and .npz, to read)."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from relook.containers.embedded.host.errors import MalformedBody, UnsupportedFormat

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
UTF8 = (JSON, CSV)
"""Bodies of these types reach input_fn as text, all others as bytes."""
_WRITTEN = (JSON, CSV, NPY)
_READ = (*_WRITTEN, NPZ)


def kind(content_type: str | None) -> str:
    """The media type alone: no parameters, in lower case."""
    return (content_type or "").split(";", 1)[0].strip().lower()


def decode(body: str | bytes, content_type: str | None) -> npt.NDArray[Any]:
    """An array; sparse matrices of .npz come as what SciPy makes of them. UnsupportedFormat; MalformedBody."""
    try:
        return _decoded(body, content_type)
    except (ValueError, EOFError, csv.Error, zipfile.BadZipFile) as error:
        raise MalformedBody(kind(content_type), error) from error


def _decoded(body: str | bytes, content_type: str | None) -> npt.NDArray[Any]:
    match kind(content_type):
        case "application/json":
            return np.array(json.loads(body))
        case "text/csv":
            rows = list(csv.reader(io.StringIO(_text(body))))
            return _numeric([row for row in rows if row])
        case "application/x-npy":
            array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(_bytes(body)), allow_pickle=False)
            return array
        case "application/x-npz":
            matrix: npt.NDArray[Any] = _npz(_bytes(body))
            return matrix
    raise UnsupportedFormat(content_type, _READ)


def encode(value: Any, content_type: str | None) -> str | bytes:
    """The value as text or bytes. UnsupportedFormat; TypeError for what the format cannot say."""
    match kind(content_type):
        case "application/json":
            return json.dumps(value, default=_plain)
        case "text/csv":
            return _csv(np.asarray(value))
        case "application/x-npy":
            room = io.BytesIO()
            np.save(room, np.asarray(value), allow_pickle=False)
            return room.getvalue()
    raise UnsupportedFormat(content_type, _WRITTEN)


def _numeric(rows: list[list[str]]) -> npt.NDArray[Any]:
    """Whole numbers, else numbers, else the words. One row, or rows of one value, make one dimension."""
    array = np.array(rows)
    if 1 in array.shape:
        array = array.reshape(-1)
    for kind_of_number in (np.int64, np.float64):
        with contextlib.suppress(ValueError):
            return array.astype(kind_of_number)
    return array


def _npz(body: bytes) -> Any:
    from scipy import sparse

    with np.load(io.BytesIO(body), allow_pickle=False) as files:
        if "format" not in files:
            first: npt.NDArray[Any] = files[files.files[0]]
            return first
    return sparse.load_npz(io.BytesIO(body))


def _csv(array: npt.NDArray[Any]) -> str:
    rows = array.reshape(-1, 1) if array.ndim < 2 else array.reshape(len(array), -1)
    room = io.StringIO()
    csv.writer(room, lineterminator="\n").writerows(rows.tolist())
    return room.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if hasattr(value, "tolist"):  # tensors, series
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form; convert it in output_fn")


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8")


def _bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode("utf-8")
