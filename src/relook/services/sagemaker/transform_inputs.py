"""What a transform job reads: its input objects, listed once, and the requests that each becomes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, cast

from relook.blobs.errors import ObjectMissing
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Query
from relook.core.batch import BadInput, BadRecord
from relook.core.batch.batching import Limits, batches, body
from relook.core.batch.names import Named, is_folder_marker, name_below, output_keys, parse_manifest
from relook.core.batch.splitting import Record, records
from relook.services.sagemaker.transform_spec import Spec
from relook.store.sagemaker_transforms import InputObject

LARGEST_MANIFEST = 64 * 2**20
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent at once: `body`, and the records as they were before the input filter, for a join."""

    body: bytes
    inputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    named: Named
    version: str | None


class Inputs:
    """The inputs of one job. Every method blocks."""

    def __init__(self, blobs: FolderBlobs, account: str, spec: Spec) -> None:
        self._blobs = blobs
        self._account = account
        self._spec = spec

    def find_all(self) -> list[InputObject]:
        """Every object with something in it, in the order of keys or of the manifest. Raises BlobError and BadInput."""
        found = list(self._manifest() if self._spec.manifest else self._prefix())
        if not found:
            raise BadInput(f"No S3 objects found under prefix: {self._spec.source} (empty objects do not count)")
        keys = output_keys(self._spec.output, [each.named for each in found])
        return [
            InputObject(position, each.named.bucket, each.named.key, each.version, key)
            for position, (each, key) in enumerate(zip(found, keys, strict=True))
        ]

    def requests(self, source: InputObject, limits: Limits) -> Iterator[Request]:
        """The object's records in requests, read as they are asked for. Raises BlobError and BatchError."""
        try:
            with closing(self._open(source)) as file:
                for batch in batches(self._records(file, limits), limits.strategy, limits.payload):
                    yield self._request(batch, limits)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadRecord(f"it is not gzip, or damaged: {error}") from error

    def _records(self, file: BinaryIO, limits: Limits) -> Iterator[Record]:
        """Filtered ones, each with what a join needs of it."""
        processing, form = self._spec.processing, self._spec.input_format
        for number, record in enumerate(records(file, self._spec.split, limits.payload), start=1):
            if processing.input_filter.whole:
                yield record
                continue
            try:
                kept = processing.request(record.raw, form)
            except BadRecord as error:
                raise BadRecord(f"record {number}: {error}") from None
            yield Record(record.raw, kept)

    def _request(self, batch: list[Record], limits: Limits) -> Request:
        processing = self._spec.processing
        inputs = tuple(record.raw for record in batch) if processing.join else ()
        if not processing.input_filter.whole:
            return Request(b"".join(_ended(record.payload, len(batch)) for record in batch), inputs)
        return Request(body(batch, limits.strategy), inputs)

    def _open(self, source: InputObject) -> BinaryIO:
        file = self._blobs.open(self._account, source.bucket, source.key, source.version)
        if not self._spec.gzip:
            return file
        return cast(BinaryIO, _Unzipped(file))

    def _prefix(self) -> Iterator[_Found]:
        place, after = self._spec.source, ""
        while True:
            page = self._blobs.listing.objects(
                self._account, place.bucket, Query(place.prefix, limit=PAGE, after=after)
            )
            for version in page.items:
                if version.size and not is_folder_marker(version.key):
                    name = name_below(place.prefix, version.key)
                    yield _Found(Named(place.bucket, version.key, name), version.id)
            if not page.truncated:
                return
            after = page.last

    def _manifest(self) -> Iterator[_Found]:
        place = self._spec.source
        size = self._blobs.size(self._account, place.bucket, place.prefix)
        if size > LARGEST_MANIFEST:
            raise BadInput(f"the manifest {place} has {size} bytes: at most {LARGEST_MANIFEST}")
        for named in parse_manifest(self._blobs.read(self._account, place.bucket, place.prefix), str(place)):
            try:
                version = self._blobs.objects.find(self._account, named.bucket, named.key)
            except ObjectMissing:
                yield _Found(named, None)  # one that is missing fails alone, when its turn comes
                continue
            if version.size and not is_folder_marker(version.key):
                yield _Found(named, version.id)


class _Unzipped(gzip.GzipFile):
    """A gzipped object's content; closing it closes the object too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        super().__init__(fileobj=file, mode="rb")

    def close(self) -> None:
        super().close()
        self._file.close()


def _ended(payload: bytes, count: int) -> bytes:
    """A filtered record as one of several: each on a line of its own."""
    return payload if count == 1 or payload.endswith(b"\n") else payload + b"\n"


def said_of(source: InputObject, error: Exception) -> str:
    """Why an input failed, with its name."""
    text = str(error)
    return text if str(source) in text else f"{source}: {text}"
