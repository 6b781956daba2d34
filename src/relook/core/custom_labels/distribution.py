"""Which images become test images: a fifth of them, so that every label is on both sides where it can be."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from relook.core.custom_labels.errors import OVERLAP_PERCENT, FileError

TEST_SHARE = 0.2


class NotEnoughImages(Exception):
    """Less than half of the labels can be on both sides; `str()` is what DescribeDataset says then."""

    def __init__(self) -> None:
        super().__init__(FileError.INSUFFICIENT_IMAGES_FOR_DISTRIBUTE.message)


@dataclass(frozen=True, slots=True)
class Item:
    """An image to be placed. `key` (its source-ref) orders by chance; images of equal `content` stay together."""

    key: str
    labels: frozenset[str]
    content: str | None = None


def held_out(items: Sequence[Item], *, seed: int) -> list[int]:
    """The indexes, ascending, of those that go to the test side: a fifth, but as many as its labels need.

    By iterative stratification: the rarest label first, taking images that the other labels miss, too. The same for
    the same items and seed in whatever order they come. A label of one image stays in training. NotEnoughImages.
    """
    placing = _Placing(_grouped(items), seed)
    placing.serve_labels()
    placing.trim()
    placing.fill()
    chosen = [index for group in placing.test for index in group.indexes]
    _check(items, set(chosen))
    return sorted(chosen)


def _check(items: Sequence[Item], chosen: set[int]) -> None:
    """The same rule as the overlap that a training asks of two sets."""
    training = {label for index, item in enumerate(items) if index not in chosen for label in item.labels}
    both = {label for index in chosen for label in items[index].labels} & training
    if not both or 100 * len(both) < OVERLAP_PERCENT * len(training):
        raise NotEnoughImages


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Images that cannot be parted; `labels` counts the images of the group that have each."""

    identity: str
    indexes: tuple[int, ...]
    labels: Counter[str]


def _grouped(items: Sequence[Item]) -> list[_Group]:
    together: defaultdict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        together[f"key {item.key}" if item.content is None else f"content {item.content}"].append(index)
    return [
        _Group(identity, tuple(indexes), Counter(label for index in indexes for label in items[index].labels))
        for identity, indexes in together.items()
    ]


class _Placing:
    """Groups on their way; `test` are those taken so far."""

    def __init__(self, groups: list[_Group], seed: int) -> None:
        self.groups = sorted(groups, key=lambda group: _rank(seed, group.identity))
        self.images = Counter[str]()
        for group in self.groups:
            self.images.update(group.labels)
        self.tested = Counter[str]()
        self.test: dict[_Group, None] = {}
        self.size = 0
        self.wanted = max(round(sum(len(group.indexes) for group in groups) * TEST_SHARE), 1)
        self.share = {label: max(round(count * TEST_SHARE), 1) for label, count in self.images.items()}

    def serve_labels(self) -> None:
        """Give each label its share of test images, the rarest first."""
        by_label: defaultdict[str, list[_Group]] = defaultdict(list)
        for group in self.groups:
            for label in group.labels:
                by_label[label].append(group)
        for label in sorted(by_label, key=lambda name: (self.images[name], name)):
            for group in sorted(by_label[label], key=self._cost):
                if self.tested[label] >= self.share[label]:
                    break
                # Copies of one image are taken together even where that is more than the share, but only as a start.
                fits = self.tested[label] + group.labels[label] <= self.share[label] or not self.tested[label]
                if fits:
                    self._take(group)

    def trim(self) -> None:
        """Give back what is too much, as long as no label loses its last test image."""
        for group in sorted(self.test, key=self._cost, reverse=True):
            if self.size - len(group.indexes) < self.wanted:
                continue
            if all(self.tested[label] > count for label, count in group.labels.items()):
                del self.test[group]
                self.tested.subtract(group.labels)
                self.size -= len(group.indexes)

    def fill(self) -> None:
        """Take more up to the fifth, images without a label in proportion."""
        for group in self._mixed(sorted((one for one in self.groups if one not in self.test), key=self._cost)):
            if self.size + len(group.indexes) <= self.wanted:
                self._take(group)

    def _mixed(self, groups: Iterable[_Group]) -> Iterator[_Group]:
        """Unlabelled images up to their own fifth, then labelled ones, then what is left."""
        rest = list(groups)
        bare = [group for group in rest if not group.labels]
        share = round(len(bare) * TEST_SHARE)
        yield from bare[:share]
        yield from (group for group in rest if group.labels)
        yield from bare[share:]

    def _take(self, group: _Group) -> None:
        if group in self.test or any(
            self.tested[label] + count >= self.images[label] for label, count in group.labels.items()
        ):
            return
        self.test[group] = None
        self.tested.update(group.labels)
        self.size += len(group.indexes)

    def _cost(self, group: _Group) -> float:
        """How far the test side would be over its share of the group's labels, less what it needs of them."""
        return sum(
            (1 if self.tested[label] >= self.share[label] else -1) * count / self.images[label]
            for label, count in group.labels.items()
        )


def _rank(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{identity}".encode()).digest()
