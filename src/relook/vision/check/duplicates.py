"""The same picture more than once: byte for byte, or encoded anew, a little brighter, at another size.

Pictures of one aligned product are all much alike, so a pair counts only when it is far closer than the pictures around
it are to one another: candidates are near neighbours in the leading principal axes of small grey copies, and the
copies themselves decide.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
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

Floats = npt.NDArray[np.float32]
Thumb = npt.NDArray[np.float16]

CLOSE = 0.3
"""Of the distance that is usual around the pair: from below this, two pictures are one."""
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
    """Sets of positions, in order, at which the same picture is."""
    return _groups(len(looks), [*_identical(looks), *_alike(looks)])


def first_of(looks: Sequence[Looks]) -> npt.NDArray[np.int64]:
    """(images,) the position of the first image of the same picture."""
    return firsts(alike(looks), len(looks))


def turned_copy_among(thumbs: npt.NDArray[np.float16], turn: Callable[[Thumb], Thumb]) -> bool:
    """Whether one of `thumbs` (n, 64, 64) is another one after `turn`: as near to it as a copy is, which is far nearer
    than pictures that were not turned are to one another."""
    plain = _normal(thumbs.reshape(len(thumbs), -1))
    turned = _normal(np.stack([turn(each) for each in thumbs]).reshape(len(thumbs), -1))
    between, across = (np.sqrt(np.maximum(0, 2 - 2 * plain @ each.T)) for each in (plain, turned))
    np.fill_diagonal(between, np.inf)
    np.fill_diagonal(across, np.inf)
    usual = np.sort(between, axis=1)[:, min(_USUAL, len(thumbs)) - 1]
    enough = len(thumbs) > 2 * _USUAL
    limit = CLOSE * np.minimum(usual[:, None], usual[None]) if enough else np.full_like(across, ALWAYS_CLOSE)
    return bool((across <= limit).any())


def find(entries: Sequence[Entry]) -> list[Finding]:
    """Leakage between training and test, contradictory labels, and plain duplicates."""
    groups = alike([entry.facts for entry in entries])
    sorted_out: dict[Kind, list[list[Entry]]] = defaultdict(list)
    for group in groups:
        members = [entries[at] for at in group]
        if len({entry.sample.anomalous for entry in members}) == 2:
            sorted_out[Kind.CONTRADICTION].append(members)
        if len({entry.test for entry in members}) == 2:
            sorted_out[Kind.LEAKAGE].append(members)
        elif len({entry.sample.anomalous for entry in members}) == 1:
            sorted_out[Kind.DUPLICATE].append(members)
    return [_finding(kind, found) for kind, found in sorted_out.items()]


def _finding(kind: Kind, groups: Sequence[Sequence[Entry]]) -> Finding:
    keys = tuple(tuple(entry.sample.key for entry in group) for group in groups)
    images = sum(len(group) for group in keys)
    words = {
        Kind.CONTRADICTION: f"{images} images are copies of one another with contradictory labels; correct the labels.",
        Kind.LEAKAGE: f"{images} images are in training and in test alike, as copies: the figures of the test will be "
        "too good; take them out of one of the two.",
        Kind.DUPLICATE: f"{images} images are copies of {len(groups)} pictures; they count several times.",
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


def _alike(looks: Sequence[Looks]) -> list[tuple[int, int]]:
    distinct = list({look.sha256: at for at, look in reversed(list(enumerate(looks)))}.values())
    distinct.sort()
    if len(distinct) < 2:
        return []
    thumbs = np.stack([looks[at].thumb.ravel() for at in distinct])
    axes = _axes(thumbs)
    near = cKDTree(axes).query(axes, k=min(_NEIGHBOURS + 1, len(distinct)))[1]
    distances = _distances(thumbs, near)
    around = np.sort(distances, axis=1)[:, min(_USUAL, distances.shape[1]) - 1]
    usual = np.maximum(around, np.median(around) / 2)  # where all the neighbours are copies, the set's own distance
    pairs = []
    for one, neighbours in enumerate(near):
        for other, distance in zip(neighbours, distances[one], strict=True):
            limit = CLOSE * float(min(usual[one], usual[other])) if len(distinct) > 2 * _USUAL else ALWAYS_CLOSE
            if distance <= limit:
                pairs.append((distinct[min(one, other)], distinct[max(one, other)]))
    return pairs


def _normal(thumbs: npt.NDArray[np.float16] | Floats) -> Floats:
    """Mean 0 and length 1: brightness and contrast do not matter. A blank one is all zeros."""
    rows = thumbs.astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    normal: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1.0)
    return normal


def _axes(thumbs: npt.NDArray[np.float16]) -> Floats:
    """(n, 12): the leading principal axes of the grey copies at a quarter of their side."""
    side = THUMB // _COARSER
    parts = []
    for at in range(0, len(thumbs), _CHUNK):
        blocks = thumbs[at : at + _CHUNK].astype(np.float32).reshape(-1, side, _COARSER, side, _COARSER)
        parts.append(_normal(blocks.mean((2, 4)).reshape(-1, side * side)))
    rows = np.concatenate(parts)
    centred = rows - rows.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    found: Floats = centred @ axes[:, ::-1][:, :_AXES]
    return found


def _distances(thumbs: npt.NDArray[np.float16], near: npt.NDArray[np.int64]) -> Floats:
    """(n, k) distances of the grey copies from those of their candidates; infinite for an image and itself."""
    result = np.empty(near.shape, np.float32)
    for at, neighbours in enumerate(near):
        one, others = _normal(thumbs[at : at + 1]), _normal(thumbs[neighbours])
        result[at] = np.where(neighbours == at, np.inf, np.linalg.norm(others - one, axis=1))
    return result


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
