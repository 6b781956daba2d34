"""Normals that may be mislabelled: far from the other normals, or like the anomalies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.check.probes import Flags, Outcome, Positions
from relook.vision.check.report import Finding, Kind, Severity
from relook.vision.problem import too_alike

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Vector = npt.NDArray[np.float64]

BANK_ROWS = 8000
_TRUSTED = 0.8
"""Share of the normals whose patches are remembered in the second round: mislabelled ones must not vouch for each
other."""
_TOP = 0.01


FAR, VERY_FAR = 3.5, 5.0
"""Robust deviations from the median normal. Measured on clean normals of three products: about 2 and 0.5 in 100 lie
beyond."""
_CLEAN = {FAR: 0.02, VERY_FAR: 0.005}
_A_LITTLE = 1.5
ALIKE = 0.6
"""Where, from the median normal (0) to the median anomaly (1), a normal looks like an anomaly."""
_MOST = 0.2
"""Share of the normals that can be suspects: if more are strange, there is no common normal."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Of a normal: `strange` in robust deviations; `alike` 0 for the median normal, 1 for the median anomaly, or None
    where no anomalies could be learned from."""

    strange: float
    alike: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """`suspects` are keys, worst first; `alike` those of them that look like the labelled anomalies."""

    findings: list[Finding]
    suspects: tuple[str, ...]
    alike: tuple[str, ...]


def find(normals: Mapping[str, Suspicion]) -> Found:
    """What to say of the normals, by their keys, and which are suspects."""
    keys = list(normals)
    strange = np.array([each.strange for each in normals.values()])
    alike = np.array([-np.inf if each.alike is None else each.alike for each in normals.values()])
    looks = (alike >= ALIKE) & (strange >= _A_LITTLE)
    rank = strange + np.where(looks, 10 + alike, 0)
    suspects = [int(at) for at in np.argsort(-rank, kind="stable") if looks[at] or strange[at] >= FAR]
    suspects = suspects[: max(1, int(_MOST * len(keys)))]
    grave = [at for at in suspects if looks[at] or strange[at] >= VERY_FAR]
    mild = [at for at in suspects if at not in grave]
    findings = []
    if grave:
        words = (
            f"{_some(len(grave))} labelled normal may be mislabelled: far from the other normals, or like the "
            f"anomalies; look at each and correct the label if it is wrong.{_expected(VERY_FAR, len(keys))}"
        )
        findings.append(_finding(Kind.MISLABELLED, Severity.WARNING, words, grave, keys, strange))
    if mild:
        words = (
            f"{_some(len(mild))} labelled normal look unlike the other normals; see whether they belong there."
            f"{_expected(FAR, len(keys))}"
        )
        findings.append(_finding(Kind.UNUSUAL, Severity.INFO, words, mild, keys, strange))
    named = tuple(keys[at] for at in suspects)
    return Found(findings, named, tuple(keys[at] for at in suspects if looks[at]))


def _expected(limit: float, normals: int) -> str:
    """With many images some are unusual though nothing is wrong."""
    usual = round(_CLEAN[limit] * normals)
    return f" Of {normals:,} images without a fault about {usual} would be named, too." if usual > 1 else ""


def _some(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _finding(
    kind: Kind, severity: Severity, words: str, at: Sequence[int], keys: Sequence[str], strange: Vector
) -> Finding:
    figures = {"images": len(at), "strangest": float(max(strange[position] for position in at))}
    return Finding(kind, severity, words, figures, tuple(keys[position] for position in at))


def suspicion(
    patches: Halves, whole: Outcome | None, anomalous: Flags, copy_of: Positions, seed: int
) -> list[Suspicion]:
    """Of the normals, in order. `patches` (n, cells, dims) of normals and anomalies, `whole` the probe of them all,
    `copy_of` (n,) the same number for copies of one picture."""
    strange = strangeness(patches[~anomalous], copy_of[~anomalous], seed).tolist()
    if whole is None or not whole.found:
        return [Suspicion(each, None) for each in strange]  # what cannot tell the labels apart cannot accuse a normal
    normal, anomaly = float(np.median(whole.scores[~anomalous])), float(np.median(whole.scores[anomalous]))
    alike = ((whole.scores[~anomalous] - normal) / (anomaly - normal)).tolist()
    return [Suspicion(*each) for each in zip(strange, alike, strict=True)]


def strangeness(patches: Halves, copy_of: Positions, seed: int) -> Vector:
    """(n,) robust deviations of each image's distance from the other images; `patches` is (n, cells, dims).

    Twice: first against all others, then against the fifths that are not the strangest. Copies are one image: they
    would vouch for each other, and beside what is there twice all else would look strange.
    """
    _, first_copy, place = np.unique(copy_of, return_index=True, return_inverse=True)
    if len(first_copy) < len(patches) and not too_alike(len(first_copy), len(patches)):
        return strangeness(patches[first_copy], np.arange(len(first_copy)), seed)[place]
    first = _distances(patches, np.arange(len(patches)), seed)
    trusted = np.sort(np.argsort(first, kind="stable")[: max(2, round(_TRUSTED * len(patches)))])
    return robust(np.log(_distances(patches, trusted, seed) + 1e-6))


def robust(values: Vector) -> Vector:
    """Deviations from the median in units of the upper half's spread, scaled to a normal distribution's."""
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    return (values - median) / max(spread, 1e-3)


def _distances(patches: Halves, trusted: npt.NDArray[np.int64], seed: int) -> Vector:
    """(n,) mean distance of an image's strangest patches from the patches of other images."""
    share = max(1, min(patches.shape[1], BANK_ROWS // len(trusted)))
    picks = [np.random.default_rng([seed, 24, int(at)]).permutation(patches.shape[1])[:share] for at in trusted]
    rows = np.concatenate([patches[at][pick] for at, pick in zip(trusted, picks, strict=True)]).astype(np.float32)
    source = np.repeat(trusted, share)
    half_squares = np.square(rows).sum(1) / 2
    worst = max(1, round(_TOP * patches.shape[1]))
    result = np.empty(len(patches))
    for at, image in enumerate(patches.astype(np.float32)):
        others = source != at
        inner = image @ rows[others].T - half_squares[others]
        distance = np.sqrt(np.maximum(np.square(image).sum(1) - 2 * inner.max(1), 0))
        result[at] = np.sort(distance)[-worst:].mean()
    return result
