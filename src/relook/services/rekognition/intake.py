"""What a dataset takes of a manifest's lines, and why it takes none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.manifest import Dropped, Entry, read_manifest
from relook.services.rekognition.limits import Limits

MAX_MANIFEST_BYTES = 1024**3
_MOST_DROPPED = 0.2
"""The share of lines that may be such as no dataset takes."""
_BATCH_LINES, _BATCH_CHARACTERS = 500, 4 * 1024**2


class Refused(Exception):
    """Nothing of the manifest is taken; the message is what users of the original know."""

    def __init__(self, error: FileError) -> None:
        super().__init__(error.message)
        self.error = error


def admitted(file: BinaryIO, limits: Limits, bucket: str | None = None) -> Iterator[Entry]:
    """The entries, as they stream by; lines that no dataset takes are left out.

    `bucket` is where the images of the dataset lie already, if it has any. Raises Refused, at the latest once all is
    read: keep nothing until then.
    """
    lines = dropped = 0
    names: set[str] = set()
    for _, found in read_manifest(file):
        lines += 1
        if lines > limits.images:
            raise Refused(FileError.ROWS_EXCEEDS_MAXIMUM)
        if isinstance(found, Dropped):
            dropped += 1
            continue
        bucket = bucket or found.image.bucket
        if found.image.bucket != bucket:
            raise Refused(FileError.MULTIPLE_BUCKETS)
        names.update(use.name for use in found.uses)
        check_labels(names, limits)
        yield found
    if lines == 0:
        raise Refused(FileError.EMPTY)
    if dropped == lines:
        raise Refused(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT)
    if dropped > _MOST_DROPPED * lines:
        raise Refused(FileError.TOO_MANY_RECORDS_IN_ERROR)


def check_labels(names: set[str], limits: Limits) -> None:
    """Refused where a dataset would have too many labels."""
    if len(names) > limits.labels:
        raise Refused(FileError.TOO_MANY_LABELS)


def batched(found: Iterable[Entry]) -> Iterator[list[Entry]]:
    """In lists that are neither too long for a transaction nor too large to hold."""
    batch: list[Entry] = []
    characters = 0
    for entry in found:
        batch.append(entry)
        characters += len(entry.text)
        if len(batch) == _BATCH_LINES or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
