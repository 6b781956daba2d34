"""The same picture more than once: byte for byte, or encoded anew, brighter, at another size, turned or mirrored.

Pictures of one aligned product are all much alike, so a pair counts only when it is far closer than the pictures around
it are to one another: candidates are near neighbours in the leading principal axes of small grey copies, and the
copies themselves decide.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
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
_LOOSELY = 3.0
"""How much farther than a copy may be its coarser copy is looked for."""
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


@dataclass(frozen=True, slots=True)
class Copies:
    """Pairs of positions at which the same picture is, out of `count`: as it is, or turned or mirrored."""

    count: int
    same: tuple[tuple[int, int], ...]
    turned: tuple[tuple[int, int], ...]

    def groups(self, counts: Callable[[int, int], bool]) -> list[list[int]]:
        """Sets of positions, in order, that pairs join; of turned pictures those that count as copies."""
        return _groups(self.count, [*self.same, *(pair for pair in self.turned if counts(*pair))])

    def as_they_are(self) -> list[list[int]]:
        """Sets of positions, in order, at which the same picture is, not turned."""
        return _groups(self.count, self.same)


def among(looks: Sequence[Looks], turned: bool = True) -> Copies:
    """The copies among `looks`; turned ones are not looked for where they are of no use."""
    same = _identical(looks)
    distinct = sorted({look.sha256: at for at, look in reversed(list(enumerate(looks)))}.values())
    if len(distinct) < 2:
        return Copies(len(looks), tuple(same), ())
    compared = _Compared(np.stack([looks[at].thumb for at in distinct]))
    same += [(distinct[one], distinct[other]) for one, other in compared.pairs(Turn(0))]
    others = {pair for turn in (TURNS if turned else ()) for pair in compared.pairs(turn)}
    found = {(distinct[one], distinct[other]) for one, other in others}.difference(same)
    return Copies(len(looks), tuple(same), tuple(sorted(found)))


def first_of(looks: Sequence[Looks]) -> npt.NDArray[np.int64]:
    """(images,) the position of the first image of the same picture, turned or not."""
    return firsts(among(looks).groups(lambda one, other: True), len(looks))


def alike(entries: Sequence[Entry], copies: Copies) -> list[list[int]]:
    """Sets of positions at which the same picture is; turned ones only with the same label, because a part that lies
    wrongly can be a defect."""
    return copies.groups(lambda one, other: entries[one].sample.anomalous == entries[other].sample.anomalous)


def find(entries: Sequence[Entry]) -> list[Finding]:
    """Leakage between training and test, contradictory labels, and plain duplicates."""
    copies = among([entry.facts for entry in entries])
    sorted_out: dict[Kind, list[list[int]]] = defaultdict(list)
    for group in alike(entries, copies):
        labels = {entries[at].sample.anomalous for at in group}
        if len(labels) == 2:
            sorted_out[Kind.CONTRADICTION].append(group)
        if len({entries[at].test for at in group}) == 2:
            sorted_out[Kind.LEAKAGE].append(group)
        elif len(labels) == 1:
            sorted_out[Kind.DUPLICATE].append(group)
    upright = firsts(copies.as_they_are(), len(entries))
    return [_finding(kind, entries, groups, upright) for kind, groups in sorted_out.items()]


def _finding(
    kind: Kind, entries: Sequence[Entry], groups: Sequence[Sequence[int]], upright: npt.NDArray[np.int64]
) -> Finding:
    """`upright` (images,) is the first of those that are the same picture and not turned."""
    keys = tuple(tuple(entries[at].sample.key for at in group) for group in groups)
    images = sum(len(group) for group in keys)
    turned = sum(upright[at] != upright[group[0]] for group in groups for at in group)
    copies = f"copies ({turned} of them turned or mirrored)" if turned else "copies"
    words = {
        Kind.CONTRADICTION: f"{images} images are copies of one another with contradictory labels; correct the labels.",
        Kind.LEAKAGE: f"{images} images are in training and in test alike, as {copies}: the figures of the test will "
        "be too good; take them out of one of the two.",
        Kind.DUPLICATE: f"{images} images are {copies} of {len(groups)} pictures; they count several times.",
    }
    severity = Severity.INFO if kind is Kind.DUPLICATE else Severity.WARNING
    figures = {"images": images, "groups": len(groups)}
    return Finding(kind, severity, words[kind], figures, tuple(key for group in keys for key in group), keys)


def _identical(looks: Sequence[Looks]) -> list[tuple[int, int]]:
    first: dict[bytes, int] = {}
    pairs = []
    for at, look in enumerate(looks):
        before = first.setdefault(look.sha256, at)
        if before != at:
            pairs.append((before, at))
    return pairs


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
        self._plain = self._distances(Turn(0))
        distances = self._plain[1]
        around = np.sort(distances, axis=1)[:, min(_USUAL, distances.shape[1]) - 1]
        self._usual = np.maximum(around, np.median(around) / 2)  # where all neighbours are copies, the set's own

    def pairs(self, turn: Turn) -> Iterator[tuple[int, int]]:
        """Positions, the lower first, of two pictures that are one after `turn`."""
        enough = len(self._thumbs) > 2 * _USUAL
        close = CLOSE if turn == Turn(0) else CLOSE_TURNED
        compared = self._plain if turn == Turn(0) else self._distances(turn)
        for one, (neighbours, distances) in enumerate(zip(*compared, strict=True)):
            for other, distance in zip(neighbours.tolist(), distances.tolist(), strict=True):
                limit = close * float(min(self._usual[one], self._usual[other])) if enough else ALWAYS_CLOSE
                if distance <= limit:
                    yield min(one, other), max(one, other)

    def _distances(self, turn: Turn) -> tuple[npt.NDArray[np.int64], Floats]:
        """For every picture after `turn`, (n, k) others that may be it, and how far their grey copies are; infinitely
        from itself."""
        turned = turn.apply(self._coarse.transpose(1, 2, 0)).transpose(2, 0, 1).reshape(len(self._thumbs), -1)
        count = len(self._thumbs)
        farthest = np.inf if turn == Turn(0) else _LOOSELY * CLOSE_TURNED * float(self._usual.max())
        asked = (turned - self._mean) @ self._basis
        near = self._tree.query(asked, k=min(_NEIGHBOURS + 1, count), distance_upper_bound=farthest)[1]
        near = np.where(near < count, near, np.arange(count)[:, None])  # the tree says `count` where there is no other
        result = np.full(near.shape, np.inf, np.float32)
        for at, neighbours in enumerate(near):
            known = neighbours != at
            if known.any():
                one, others = _normal(turn.apply(self._thumbs[at])[None]), _normal(self._thumbs[neighbours[known]])
                result[at, known] = np.linalg.norm(others - one, axis=1)
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
