"""What a dataset is, apart from where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from relook.core.manifest import Label

MAX_MANIFEST_BYTES = 1024**3
MAX_IMAGE_BYTES = 8 * 1024**2


class DatasetType(StrEnum):
    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class ImageStats:
    """Images of a dataset: `total` counts the unlabelled ones too."""

    total: int = 0
    normal: int = 0
    anomaly: int = 0

    @property
    def labeled(self) -> int:
        return self.normal + self.anomaly


@dataclass(frozen=True, slots=True)
class DatasetLimits:
    """The most images a dataset may hold, and the most that a segmentation model is trained or tested on."""

    train: int = 16_000
    test: int = 4_000
    segmentation_train: int = 8_000
    segmentation_test: int = 800

    def images(self, kind: DatasetType) -> int:
        return self.train if kind is DatasetType.TRAIN else self.test

    def segmentation_images(self, kind: DatasetType) -> int:
        return self.segmentation_train if kind is DatasetType.TRAIN else self.segmentation_test


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries to list; what is None does not restrict, the others all must hold.

    `before` and `after` are exclusive, in milliseconds since the epoch, and are compared with the label's creation
    date, or where it has none, with the time the entry was last written. `contains` is case-sensitive.
    """

    labeled: bool | None = None
    label: Label | None = None
    before: int | None = None
    after: int | None = None
    contains: str | None = None
