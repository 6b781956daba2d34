"""What the demonstration works on: pictures with a known truth, some of them with a mask of the defect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

PALETTE = ("#23A436", "#14A3B3", "#F76902", "#9380FF", "#BD10E0", "#467CE6", "#A09308")
"""The colours Lookout's own console gave its anomaly labels, in order."""


class Truth(StrEnum):
    NORMAL = "normal"
    ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded image ready to upload: JPEG or PNG bytes of `size` (width, height) pixels.

    `change` says what was done to the user's file to make it so ("" when untouched), `scaled` that its size changed.
    """

    data: bytes
    extension: str
    size: tuple[int, int]
    change: str = ""
    scaled: bool = False

    @property
    def content_type(self) -> str:
        return "image/png" if self.extension == "png" else "image/jpeg"


@dataclass(frozen=True, slots=True)
class Mask:
    """Where the defect is. `load` gives an encoded PNG; `colours` maps the `#RRGGBB` in it to label names."""

    load: Callable[[], bytes]
    colours: Mapping[str, str]
    labels: frozenset[str]
    """The labels really present in this mask; a picture with exactly one counts towards that label's minimum."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of `size` (width, height). `name` is how the user knows it; `line` is its own manifest line, if any."""

    name: str
    truth: Truth
    size: tuple[int, int]
    load: Callable[[], Encoded]
    mask: Mask | None = None
    line: Mapping[str, Any] | None = None

    def without_mask(self) -> Picture:
        return replace(self, mask=None)


@dataclass(frozen=True, slots=True)
class Pools:
    """Pictures as the user sorted them: for training, for testing, and kept out of both.

    `source` says in one sentence what was recognised; `notes` are plain sentences about what was skipped or changed;
    `unusable` names the images, by reason, that were skipped for what they are.
    """

    source: str
    train: tuple[Picture, ...]
    test: tuple[Picture, ...] = ()
    extra: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    unusable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who trains, who tests (empty: the service splits by itself), and who is shown only to the finished model."""

    source: str
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    unseen: tuple[Picture, ...]
    notes: Sequence[str] = field(default=())

    @property
    def labels(self) -> dict[str, str]:
        """Label name to colour, of the masks in the training pictures; empty for a classification model."""
        found = {
            name: colour for picture in self.train if picture.mask for colour, name in picture.mask.colours.items()
        }
        present = {label for picture in self.train if picture.mask for label in picture.mask.labels}
        return {name: found[name] for name in sorted(present)}


def count(pictures: Sequence[Picture], truth: Truth) -> int:
    return sum(picture.truth is truth for picture in pictures)
