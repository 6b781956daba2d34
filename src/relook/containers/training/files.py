"""Channels as folders of files (the input modes File and FastFile)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from relook.blobs.folder import FolderBlobs
from relook.containers.training.objects import Item, items, pieces, reading
from relook.core.training import TrainingInputError
from relook.core.training.channels import Channel

Progress = Callable[[int, int], None]
"""Called with the objects done and the objects in all; may raise to end the work."""
_LONGEST_NAME = 255


def fill(blobs: FolderBlobs, account: str, channel: Channel, folder: Path, progress: Progress) -> None:
    """Copy every object of the channel into the empty folder, under its own path. TrainingInputError, OSError."""
    found = items(blobs, account, channel)
    for number, item in enumerate(found):
        progress(number, len(found))
        with reading(channel):
            copy(blobs, account, item, folder)


def copy(blobs: FolderBlobs, account: str, item: Item, folder: Path) -> None:
    """Copy one object to its place below the folder, readable for every user of the container. BlobError."""
    target = folder / _relative(item)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for piece in pieces(blobs, account, item):
                file.write(piece)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise TrainingInputError(f"{item} cannot be a file: another object has its name, or lies below it") from None
    target.chmod(0o666)
    for made in target.relative_to(folder).parents:
        (folder / made).chmod(0o777)


def _relative(item: Item) -> str:
    """Keys are any text; what leads elsewhere is refused, not mended."""
    for part in item.name.split("/"):
        if part in ("", ".", "..") or "\0" in part or len(part.encode()) > _LONGEST_NAME:
            raise TrainingInputError(f"{item} cannot be a file: {item.name!r} is no plain relative path")
    return item.name
