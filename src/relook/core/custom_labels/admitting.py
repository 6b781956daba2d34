"""What a manifest, or the blob of an update, must keep to become entries of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from relook.core.custom_labels.errors import Drop, FileError
from relook.core.custom_labels.manifest import Entry, read_manifest

MAX_MANIFEST_BYTES = 1024**3
MAX_ROWS = 250_000
MAX_LABELS = 250
MAX_INVALID_SHARE = 0.2


class Refused(Exception):
    """The dataset takes nothing of the file; `str()` is the StatusMessage."""

    def __init__(self, error: FileError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """`share` of the lines may be such as no dataset takes."""

    bytes: int = MAX_MANIFEST_BYTES
    rows: int = MAX_ROWS
    labels: int = MAX_LABELS
    share: float = MAX_INVALID_SHARE


STANDARD = AdmissionLimits()


def admitted(
    file: BinaryIO, *, bucket: str | None = None, labels: Iterable[str] = (), limits: AdmissionLimits = STANDARD
) -> Iterator[Entry]:
    """The entries of a file, in order; lines that no dataset takes are left out.

    `bucket` is where the images of the dataset lie already, `labels` what it keeps. Raises Refused, at the latest
    once all was read: keep nothing until then. The size of the file is the caller's to hold against `limits.bytes`.
    """
    rows = dropped = malformed = 0
    names = set(labels)
    for _, found in read_manifest(file):
        rows += 1
        if rows > limits.rows:
            raise Refused(FileError.ROWS_EXCEEDS_MAXIMUM)
        if not isinstance(found, Entry):
            dropped += 1
            malformed += found.why in (Drop.INVALID_JSON, Drop.BLANK, Drop.LINE_TOO_LONG)
            continue
        bucket = bucket or found.image.bucket
        if found.image.bucket != bucket:
            raise Refused(FileError.MULTIPLE_BUCKETS)
        names.update(use.name for use in found.uses)
        if len(names) > limits.labels:
            raise Refused(FileError.TOO_MANY_LABELS)
        yield found
    if malformed == rows:
        raise Refused(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT)
    if dropped > limits.share * rows:
        raise Refused(FileError.TOO_MANY_RECORDS_IN_ERROR)
