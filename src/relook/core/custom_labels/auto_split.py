"""The test set that a training makes for itself: a fifth of the training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relook.core.custom_labels.distribution import Item, NotEnoughImages, held_out
from relook.core.custom_labels.errors import ContentError
from relook.core.custom_labels.manifest import Entry, Kind


class CannotSplit(Exception):
    """There are not enough images for it."""

    error = ContentError.INSUFFICIENT_IMAGES_FOR_AUTOSPLIT


def auto_split(
    entries: Sequence[Entry], *, wanted: Kind, seed: int, content: Callable[[Entry], str] | None = None
) -> list[int]:
    """The indexes, ascending, of the entries to test with, of those that can teach what is `wanted`.

    `wanted` is Kind.IMAGE_LEVEL or Kind.OBJECTS. `content` identifies an image: copies stay on one side. CannotSplit.
    """
    candidates = [index for index, entry in enumerate(entries) if entry.kind in (wanted, Kind.BOTH)]
    items = [
        Item(
            entries[index].source_ref,
            frozenset(entries[index].taught(wanted)),
            content(entries[index]) if content is not None else None,
        )
        for index in candidates
    ]
    try:
        return [candidates[index] for index in held_out(items, seed=seed)]
    except NotEnoughImages:
        raise CannotSplit from None
