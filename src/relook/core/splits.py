"""The split of a single dataset into images to train on and images to test with."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

TEST_SHARE = 0.2
TEST_MINIMUM = 10


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """Two lists without a common item, each in the order given."""

    training: tuple[T, ...]
    test: tuple[T, ...]


def held_out(images: int) -> int:
    """How many images of one stratum to test with: a fifth, at least 10, but never more than half of them."""
    return min(max(round(images * TEST_SHARE), TEST_MINIMUM), images // 2)


def stratified_split(
    items: Iterable[T], *, stratum: Callable[[T], Hashable], content: Callable[[T], str], seed: int
) -> Split[T]:
    """Split each stratum by `held_out`, always the same way for the same items and seed, in whatever order they come.

    `content` identifies what an item is (a hash of the image): items of equal content and stratum stay on one side,
    since testing on a copy of a training image measures nothing.
    """
    ordered = list(items)
    groups: dict[Hashable, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, item in enumerate(ordered):
        groups[stratum(item)][content(item)].append(index)
    test: set[int] = set()
    for copies in groups.values():
        test.update(_drawn(copies, seed))
    return Split(
        training=tuple(item for index, item in enumerate(ordered) if index not in test),
        test=tuple(item for index, item in enumerate(ordered) if index in test),
    )


def _drawn(copies: dict[str, list[int]], seed: int) -> list[int]:
    wanted = held_out(sum(len(indexes) for indexes in copies.values()))
    drawn: list[int] = []
    for identity in sorted(copies, key=lambda text: _rank(seed, text)):
        if len(drawn) + len(copies[identity]) <= wanted:
            drawn.extend(copies[identity])
    return drawn


def _rank(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{identity}".encode()).digest()
