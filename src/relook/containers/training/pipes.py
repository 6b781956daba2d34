"""Channels as named pipes (the input mode Pipe): one for each epoch, `<channel>_0`, `<channel>_1`, .."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import stat
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from relook.blobs.folder import FolderBlobs
from relook.containers.training.objects import PIECE, Item, items, pieces, reading
from relook.core.locations import S3Location
from relook.core.training import TrainingInputError
from relook.core.training.channels import Channel, DataType
from relook.core.training.manifests import parse, shuffled
from relook.core.training.recordio import MAX_RECORD_BYTES, frame

_JOIN_SECONDS = 0.05


class Pipe:
    """Streams a channel to whoever opens its pipes, again for each further epoch, on a thread of its own.

    A reader that closes before the end has seen enough of the epoch. `failed` is called, once, with what went wrong.
    """

    def __init__(
        self, blobs: FolderBlobs, account: str, channel: Channel, folder: Path, failed: Callable[[Exception], None]
    ) -> None:
        self._source = _Source(blobs, account, channel)
        self._name = channel.name
        self._folder = folder
        self._failed = failed
        self._epoch = 0
        self._closing = threading.Event()
        self._make(0)
        self._thread = threading.Thread(target=self._run, name=f"pipe-{channel.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, once the readers are gone. Blocks."""
        self._closing.set()
        while self._thread.is_alive():
            # The thread may be waiting for a reader: here is one.
            with contextlib.suppress(FileNotFoundError):
                os.close(os.open(self._path(self._epoch), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._serve_epoch()
        except Exception as error:
            self._failed(error)

    def _serve_epoch(self) -> None:
        # The folder is read-only inside; looking at what is opened costs nothing all the same.
        descriptor = os.open(self._path(self._epoch), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                raise TrainingInputError(f"{self._path(self._epoch).name} is no pipe any more")
            if not self._closing.is_set():
                # Before the end of this epoch is seen, or its reader would not find the next.
                self._make(self._epoch + 1)
                self._stream(descriptor)
        finally:
            os.close(descriptor)
        self._path(self._epoch).unlink(missing_ok=True)
        self._epoch += 1

    def _stream(self, descriptor: int) -> None:
        try:
            for piece in self._source.stream(self._epoch):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise

    def _make(self, epoch: int) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._path(epoch))
            self._path(epoch).chmod(0o666)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{self._name}_{epoch}"


class _Source:
    """The bytes of a channel, epoch by epoch."""

    def __init__(self, blobs: FolderBlobs, account: str, channel: Channel) -> None:
        self._blobs = blobs
        self._account = account
        self._channel = channel

    def stream(self, epoch: int) -> Iterator[bytes]:
        """All of an epoch. TrainingInputError, and OSError of this machine."""
        with reading(self._channel):
            if self._channel.data_type is DataType.AUGMENTED:
                yield from self._augmented(epoch)
            else:
                # Listed anew for each epoch, in the order of the keys before it is shuffled.
                for item in shuffled(items(self._blobs, self._account, self._channel), self._channel.seed, epoch):
                    yield from self._object(item)

    def _object(self, item: Item) -> Iterator[bytes]:
        content = pieces(self._blobs, self._account, item)
        if self._channel.gzip:
            content = _unpacked(self._blobs.open(self._account, item.bucket, item.key), item)
        if self._channel.recordio:
            yield frame(_whole(content, item))
        else:
            yield from content

    def _augmented(self, epoch: int) -> Iterator[bytes]:
        place = self._channel.place
        text = self._blobs.read(self._account, place.bucket, place.prefix)
        lines = list(parse(text.splitlines(), self._channel.attributes, str(place)))
        for line in shuffled(lines, self._channel.seed, epoch):
            for record in line.records():
                yield from self._record(record)

    def _record(self, record: S3Location | bytes) -> Iterator[bytes]:
        if isinstance(record, bytes):
            yield frame(record) if self._channel.recordio else record
            return
        item = Item(record.bucket, record.key, record.key)
        content = pieces(self._blobs, self._account, item)
        if self._channel.recordio:
            yield frame(_whole(content, item))
        else:
            yield from content


def _unpacked(source: Any, item: Item) -> Iterator[bytes]:
    try:
        with source, gzip.GzipFile(fileobj=source) as plain:
            while piece := plain.read(PIECE):
                yield piece
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TrainingInputError(f"{item} is not gzipped, though CompressionType is Gzip: {error}") from None


def _whole(content: Iterator[bytes], item: Item) -> bytes:
    gathered = bytearray()
    for piece in content:
        gathered += piece
        if len(gathered) > MAX_RECORD_BYTES:
            raise TrainingInputError(f"{item} is too large for one RecordIO record ({MAX_RECORD_BYTES} bytes)")
    return bytes(gathered)
