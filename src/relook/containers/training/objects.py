"""The objects of a channel, and objects written piece by piece."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.folder import FolderBlobs
from relook.blobs.listing import Query
from relook.blobs.records import Attributes
from relook.core.batch import BadInput
from relook.core.batch.names import Place, is_folder_marker, name_below, parse_manifest
from relook.core.training import TrainingInputError
from relook.core.training.channels import Channel, DataType
from relook.core.training.manifests import shuffled

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """An object and its path in the channel's folder."""

    bucket: str
    key: str
    name: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Sink(Protocol):
    """What takes an object's bytes."""

    def write(self, data: bytes) -> object: ...


def items(blobs: FolderBlobs, account: str, channel: Channel) -> list[Item]:
    """The objects of a channel that is no augmented manifest, at least one. TrainingInputError."""
    with reading(channel):
        if channel.data_type is DataType.MANIFEST:
            place = channel.place
            text = blobs.read(account, place.bucket, place.prefix)
            found = [Item(one.bucket, one.key, one.name) for one in _manifest(text, str(place))]
        else:
            found = list(items_below(blobs, account, channel.place))
    if not found:
        raise nothing_there(channel.place)
    return shuffled(found, channel.seed)


def nothing_there(place: Place) -> TrainingInputError:
    return TrainingInputError(
        f'No S3 objects found under S3 URL "{place}" given in input data source. Please ensure that the bucket exists '
        "and that objects exist under that S3 prefix."
    )


def any_below(blobs: FolderBlobs, account: str, place: Place) -> bool:
    """Whether there is anything; BlobError."""
    return next(items_below(blobs, account, place), None) is not None


def items_below(blobs: FolderBlobs, account: str, place: Place) -> Iterator[Item]:
    """Every object under a prefix but the markers of folders. BlobError."""
    query = Query(prefix=place.prefix)
    while True:
        page = blobs.listing.objects(account, place.bucket, query)
        for version in page.items:
            if not is_folder_marker(version.key):
                yield Item(place.bucket, version.key, name_below(place.prefix, version.key))
        if not page.truncated:
            return
        query = Query(prefix=place.prefix, after=page.last)


@contextlib.contextmanager
def reading(channel: Channel) -> Iterator[None]:
    """Turn a BlobError inside into a TrainingInputError that names the channel; a full disk stays what it is."""
    try:
        yield
    except NoRoom:
        raise
    except BlobError as error:
        raise TrainingInputError(f"Data download failed: channel {channel.name}: {error}") from error


def pieces(blobs: FolderBlobs, account: str, item: Item) -> Iterator[bytes]:
    """The object's bytes; BlobError."""
    with blobs.open(account, item.bucket, item.key) as source:
        while piece := source.read(PIECE):
            yield piece


def put_written(
    blobs: FolderBlobs, account: str, bucket: str, key: str, content_type: str, write: Callable[[Sink], None]
) -> None:
    """Store as one object what `write` writes into the sink it is given: whole, or not at all. BlobError."""
    blobs.check_bucket(account, bucket)
    staged = blobs.objects.stage()
    try:
        write(staged)
        stored = staged.finish()
    except BaseException:
        staged.discard()
        raise
    blobs.objects.commit(account, bucket, key, stored, Attributes({"content-type": content_type}))


def put_file(blobs: FolderBlobs, account: str, bucket: str, key: str, source: BinaryIO) -> None:
    """Store the rest of a file. BlobError."""

    def write(sink: Sink) -> None:
        shutil.copyfileobj(source, sink, PIECE)

    put_written(blobs, account, bucket, key, "application/octet-stream", write)


def _manifest(text: bytes, where: str) -> list[Item]:
    try:
        return [Item(one.bucket, one.key, one.name) for one in parse_manifest(text, where)]
    except BadInput as error:
        raise TrainingInputError(str(error)) from None
