"""Sets with labels of whole images: made from the real ones of ../shared, and drawn ones for a quick run."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from PIL import Image

from bench import boxed, given
from bench.bed import BOARD, COOKIE
from bench.boxed import BoxedSet
from bench.sets import ALIENS
from relook.vision.labelled import LabelledImage, LabelTask, Rectangle
from relook.vision.samples import Sample

SIDE = 96
"""Pixels of what is cut out around a box."""


@dataclass(frozen=True)
class NamedSet:
    name: str
    task: LabelTask
    labels: tuple[str, ...]
    training: Sequence[LabelledImage]
    test: Sequence[LabelledImage]


def products() -> NamedSet:
    """Three kinds of things: some training images of each, and all official test images."""
    training = [
        *_files(COOKIE / "training-images", "cookie", every=4),
        *_files(ALIENS / "train", "alien", every=3),
        *_files(BOARD / "train", "board", every=3),
    ]
    test = [
        *_files(COOKIE / "test-images", "cookie"),
        *_files(ALIENS / "test", "alien"),
        *_files(BOARD / "test", "board"),
    ]
    return NamedSet("three products", LabelTask.SINGLE_LABEL, ("cookie", "alien", "board"), training, test)


def boards() -> NamedSet:
    """Good and bad circuit boards, in the official split."""
    training, test = (
        [*_files(BOARD / part / "good", "good"), *_files(BOARD / part / "anomaly", "bad")] for part in ("train", "test")
    )
    return NamedSet("boards, good or bad", LabelTask.SINGLE_LABEL, ("bad", "good"), training, test)


def cut_out() -> NamedSet:
    """A piece of a printed board around each defect, and of which of six kinds that is."""
    found = boxed.boards()
    parts = ([piece for image in images for piece in _pieces(image)] for images in (found.training, found.test))
    return NamedSet("defects cut out of boards", LabelTask.SINGLE_LABEL, found.labels, *parts)


def kinds() -> NamedSet:
    """Whole printed boards, and which kinds of defect are on them; nearly all have several."""
    return _any_of(boxed.boards(), "kinds of defect on boards")


def drawn() -> NamedSet:
    """Plates, good or scratched."""
    data = given.drawn()

    def named(samples: Sequence[Sample]) -> list[LabelledImage]:
        return [LabelledImage(each.key, each.load, ("bad" if each.anomalous else "good",)) for each in samples]

    return NamedSet("drawn plates", LabelTask.SINGLE_LABEL, ("bad", "good"), named(data.training), named(data.test))


def _files(folder: Path, label: str, every: int = 1) -> Iterator[LabelledImage]:
    for path in islice(sorted(folder.rglob("*.*")), 0, None, every):
        yield LabelledImage(path.relative_to(folder.parents[1]).as_posix(), path.read_bytes, (label,))


def _any_of(found: BoxedSet, name: str) -> NamedSet:
    def named(images: Sequence[LabelledImage]) -> list[LabelledImage]:
        there = ({box.label for box in image.boxes} for image in images)
        return [
            LabelledImage(image.key, image.load, tuple(label for label in found.labels if label in has))
            for image, has in zip(images, there, strict=True)
        ]

    return NamedSet(name, LabelTask.MULTI_LABEL, found.labels, named(found.training), named(found.test))


def _pieces(image: LabelledImage) -> Iterator[LabelledImage]:
    for at, each in enumerate(image.boxes):
        yield LabelledImage(f"{image.key}-{at}", _Piece(image, each.box).load, (each.label,))


@dataclass(frozen=True)
class _Piece:
    image: LabelledImage
    box: Rectangle

    def load(self) -> bytes:
        """As PNG, so that nothing is lost."""
        return _cut(self.image, self.box)


@cache
def _cut(image: LabelledImage, box: Rectangle) -> bytes:
    with Image.open(io.BytesIO(image.load())) as whole:
        left = round(min(max(0, box.left + box.width / 2 - SIDE / 2), whole.width - SIDE))
        top = round(min(max(0, box.top + box.height / 2 - SIDE / 2), whole.height - SIDE))
        room = io.BytesIO()
        whole.crop((left, top, left + SIDE, top + SIDE)).save(room, "PNG")
    return room.getvalue()
