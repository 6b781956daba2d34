"""The same picture more than once: byte for byte, or encoded anew, brighter, at another size, turned or mirrored.

Pictures of one aligned product are all much alike, so a pair counts only when it is far closer than the pictures around
it are to one another: candidates are near neighbours in the leading principal axes of small grey copies, and the
copies themselves decide.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from relook.vision.check.facts import THUMB, Facts, thumb
from relook.vision.check.report import Finding, Kind, Severity
from relook.vision.images import Pixels
from relook.vision.repeated import firsts
from relook.vision.samples import Sample
from relook.vision.turns import TURNS, Turn

Floats = npt.NDArray[np.float32]

CLOSE = 0.3
"""Of the distance that is usual around the pair: from below this, two pictures are one."""
CLOSE_TURNED = 0.15
"""The same for pictures of which one is turned: there are seven turns by which others can come near by chance."""
ALWAYS_CLOSE = 0.01
"""The distance (0..2) that stands in where there are too few pictures to tell what is usual."""
_AXES, _NEIGHBOURS, _USUAL = 12, 8, 5
_COARSER = 4
_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """An image that can be decoded, and whether it is for testing."""

    sample: Sample
    facts: Facts
    test: bool


class Looks(Protocol):
    """`thumb` (64, 64) grey, 0..255."""

    @property
    def sha256(self) -> bytes: ...

    @property
    def thumb(self) -> npt.NDArray[np.float16]: ...


@dataclass(frozen=True, slots=True)
class Look:
    """See `Looks`."""

    sha256: bytes
    thumb: npt.NDArray[np.float16]

    @classmethod
    def of(cls, data: bytes, pixels: Pixels) -> Self:
        """`pixels` (height, width, 3) are those of the encoded `data`: 8 kilobytes of them are kept."""
        return cls(hashlib.sha256(data).digest(), thumb(pixels))


def alike(looks: Sequence[Looks]) -> list[list[int]]:
    """Sets of positions, in order, at which the same picture is, turned or mirrored or not."""
    return _groups(len(looks), [*_as_it_is(looks), *_near(looks, TURNS)])


def first_of(looks: Sequence[Looks]) -> npt.NDArray[np.int64]:
    """(images,) the position of the first image of the same picture."""
    return firsts(alike(looks), len(looks))


def find(entries: Sequence[Entry]) -> list[Finding]:
    """Leakage between training and test, contradictory labels, and plain duplicates.

    Turned copies contradict nothing: a part that lies wrongly can be a defect."""
    looks = [entry.facts for entry in entries]
    same, turned = _as_it_is(looks), _near(looks, TURNS)
    sorted_out: dict[Kind, list[list[int]]] = defaultdict(list)
    for group in _groups(len(looks), same):
        if len({entries[at].sample.anomalous for at in group}) == 2:
            sorted_out[Kind.CONTRADICTION].append(group)
    for group in _groups(len(looks), [*same, *turned]):
        if len({entries[at].test for at in group}) == 2:
            sorted_out[Kind.LEAKAGE].append(group)
        elif len({entries[at].sample.anomalous for at in group}) == 1:
            sorted_out[Kind.DUPLICATE].append(group)
    found = {at for pair in turned for at in pair}
    return [_finding(kind, entries, groups, found) for kind, groups in sorted_out.items()]


def _finding(kind: Kind, entries: Sequence[Entry], groups: Sequence[Sequence[int]], turned: Set[int]) -> Finding:
    """`turned` are positions of images that are others', turned or mirrored."""
    keys = tuple(tuple(entries[at].sample.key for at in group) for group in groups)
    images = sum(len(group) for group in keys)
    some = sum(at in turned for group in groups for at in group) if kind is not Kind.CONTRADICTION else 0
    copies = f"copies ({some} of them turned or mirrored)" if some else "copies"
    words = {
        Kind.CONTRADICTION: f"{images} images are copies of one another with contradictory labels; correct the labels.",
        Kind.LEAKAGE: f"{images} images are in training and in test alike, as {copies}: the figures of the test will "
        "be too good; take them out of one of the two.",
        Kind.DUPLICATE: f"{images} images are {copies} of {len(groups)} pictures; they count several times.",
    }
    severity = Severity.INFO if kind is Kind.DUPLICATE else Severity.WARNING
    figures = {"images": images, "groups": len(groups)}
    return Finding(kind, severity, words[kind], figures, tuple(key for group in keys for key in group), keys)


def _as_it_is(looks: Sequence[Looks]) -> list[tuple[int, int]]:
    return [*_identical(looks), *_near(looks, [Turn(0)])]


def _identical(looks: Sequence[Looks]) -> list[tuple[int, int]]:
    first: dict[bytes, int] = {}
    pairs = []
    for at, look in enumerate(looks):
        before = first.setdefault(look.sha256, at)
        if before != at:
            pairs.append((before, at))
    return pairs


def _near(looks: Sequence[Looks], turns: Sequence[Turn]) -> list[tuple[int, int]]:
    """Pairs of which one, after one of `turns`, is the other, though not byte for byte."""
    distinct = list({look.sha256: at for at, look in reversed(list(enumerate(looks)))}.values())
    distinct.sort()
    if len(distinct) < 2:
        return []
    compared = _Compared(np.stack([looks[at].thumb for at in distinct]))
    pairs = {pair for turn in turns for pair in compared.pairs(turn)}
    return sorted((distinct[one], distinct[other]) for one, other in pairs)


class _Compared:
    """Different pictures, as their grey copies `thumbs` (n, 64, 64)."""

    def __init__(self, thumbs: npt.NDArray[np.float16]) -> None:
        self._thumbs = thumbs
        self._coarse = _coarser(thumbs)
        rows = self._coarse.reshape(len(thumbs), -1)
        self._mean = rows.mean(0)
        centred = rows - self._mean
        self._basis = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_AXES]
        self._tree = cKDTree(centred @ self._basis)
        distances = self._distances(Turn(0))[1]
        around = np.sort(distances, axis=1)[:, min(_USUAL, distances.shape[1]) - 1]
        self._usual = np.maximum(around, np.median(around) / 2)  # where all neighbours are copies, the set's own

    def pairs(self, turn: Turn) -> Iterator[tuple[int, int]]:
        """Positions, the lower first, of two pictures that are one after `turn`."""
        enough = len(self._thumbs) > 2 * _USUAL
        close = CLOSE if turn == Turn(0) else CLOSE_TURNED
        for one, (neighbours, distances) in enumerate(zip(*self._distances(turn), strict=True)):
            for other, distance in zip(neighbours.tolist(), distances.tolist(), strict=True):
                limit = close * float(min(self._usual[one], self._usual[other])) if enough else ALWAYS_CLOSE
                if distance <= limit:
                    yield min(one, other), max(one, other)

    def _distances(self, turn: Turn) -> tuple[npt.NDArray[np.int64], Floats]:
        """For every picture after `turn`, (n, k) others that may be it, and how far their grey copies are; infinitely
        from itself."""
        turned = turn.apply(self._coarse.transpose(1, 2, 0)).transpose(2, 0, 1).reshape(len(self._thumbs), -1)
        near = self._tree.query((turned - self._mean) @ self._basis, k=min(_NEIGHBOURS + 1, len(self._thumbs)))[1]
        result = np.empty(near.shape, np.float32)
        for at, neighbours in enumerate(near):
            one, others = _normal(turn.apply(self._thumbs[at])[None]), _normal(self._thumbs[neighbours])
            result[at] = np.where(neighbours == at, np.inf, np.linalg.norm(others - one, axis=1))
        return near, result


def _normal(thumbs: npt.NDArray[np.float16] | Floats) -> Floats:
    """(n, pixels), of mean 0 and length 1: brightness and contrast do not matter. A blank one is all zeros."""
    rows = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    normal: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1.0)
    return normal


def _coarser(thumbs: npt.NDArray[np.float16]) -> Floats:
    """(n, 16, 16): the grey copies at a quarter of their side, normal as `_normal`."""
    side = THUMB // _COARSER
    parts = []
    for at in range(0, len(thumbs), _CHUNK):
        blocks = thumbs[at : at + _CHUNK].astype(np.float32).reshape(-1, side, _COARSER, side, _COARSER)
        parts.append(_normal(blocks.mean((2, 4))))
    return np.concatenate(parts).reshape(-1, side, side)


def _groups(count: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Sets of images that pairs join, in order."""
    parent = list(range(count))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    members: dict[int, list[int]] = defaultdict(list)
    for at in range(count):
        members[root(at)].append(at)
    return [group for group in members.values() if len(group) > 1]
