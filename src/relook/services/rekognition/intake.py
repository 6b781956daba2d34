"""What a dataset takes of a manifest's lines, and why it takes none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.manifest import Dropped, Entry, read_manifest
from relook.jobs.api import JobContext, JobFailed
from relook.services.rekognition.left_out import LeftOut
from relook.services.rekognition.limits import Limits

MAX_MANIFEST_BYTES = 1024**3
MOST_DROPPED = 0.2
"""The share of lines that may be such as no dataset takes."""
_BATCH_LINES, _BATCH_CHARACTERS = 500, 4 * 1024**2


class Refused(Exception):
    """Nothing of the manifest is taken; the message is what users of the original know, `details` tell why."""

    def __init__(self, error: FileError, *details: str) -> None:
        super().__init__(error.message)
        self.error = error
        self.details = details

    def failure(self, context: JobContext) -> JobFailed:
        """What the job fails with; its log learns the details."""
        for sentence in self.details:
            context.log(sentence)
        return JobFailed(str(self))


def admitted(
    file: BinaryIO, limits: Limits, bucket: str | None = None, left_out: LeftOut | None = None
) -> Iterator[Entry]:
    """The entries, as they stream by; lines that no dataset takes are left out, and counted in `left_out`.

    `bucket` is where the images of the dataset lie already, if it has any. Raises Refused, at the latest once all is
    read: keep nothing until then.
    """
    left_out = left_out or LeftOut("manifest")
    others = "the images before it" if bucket is None else "the dataset's images"
    names: set[str] = set()
    for number, found in read_manifest(file):
        if number > limits.images:
            raise Refused(
                FileError.ROWS_EXCEEDS_MAXIMUM, f"The {left_out.whole} has more than {limits.images:,} lines."
            )
        left_out.pass_by(found, out=isinstance(found, Dropped))
        if isinstance(found, Dropped):
            continue
        where = f"Line {number} of the {left_out.whole}, {found.source_ref}"
        bucket = bucket or found.image.bucket
        if found.image.bucket != bucket:
            raise Refused(FileError.MULTIPLE_BUCKETS, f"{where}: {others} are in the bucket {bucket}.")
        names.update(use.name for use in found.uses)
        check_labels(names, limits, f"{where}: with it there")
        yield found
    if left_out.lines == 0:
        raise Refused(FileError.EMPTY)
    if left_out.count == left_out.lines:
        raise Refused(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT, *left_out.sentences(MOST_DROPPED))
    if left_out.count > MOST_DROPPED * left_out.lines:
        raise Refused(FileError.TOO_MANY_RECORDS_IN_ERROR, *left_out.sentences(MOST_DROPPED))


def check_labels(names: set[str], limits: Limits, there: str = "There") -> None:
    """Refused where a dataset would have too many labels."""
    if len(names) > limits.labels:
        raise Refused(
            FileError.TOO_MANY_LABELS, f"{there} are {len(names):,} labels; at most {limits.labels:,} may be."
        )


def too_large(size: int) -> str:
    """Of a manifest with more than MAX_MANIFEST_BYTES."""
    most = f"{MAX_MANIFEST_BYTES:,} ({MAX_MANIFEST_BYTES // 2**30} GB)"
    return f"The manifest has {size:,} bytes; at most {most} are accepted."


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
