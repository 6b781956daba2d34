"""Cues that tell the label without telling of the product: a model learns them instead of the defect.

The rule for all: the out-of-fold AUROC is at least 0.80, and 3 deviations above what shuffled labels give (`probes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relook.vision.check import probes
from relook.vision.check.facts import Facts
from relook.vision.check.probes import Flags, Matrix, Outcome, Positions
from relook.vision.check.report import Finding, Kind, Severity
from relook.vision.check.views import Views

WHOLE = "whole picture"
_SHOWN = 3
"""Images of each label that show a cue best."""
_CATEGORIES = 8


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue's name, what a finding says about it, and how grave it is."""

    name: str
    sentence: str
    severity: Severity
    values: Matrix


def find(
    keys: Sequence[str], anomalous: Flags, facts: Sequence[Facts], copy_of: Positions, views: Views, seed: int
) -> tuple[list[Finding], list[Outcome]]:
    """The cues that were found, and how all did, the whole picture first. Empty with too few images of a label."""
    if not probes.can_tell(anomalous):
        return [], []
    whole = probes.probe(WHOLE, views.whole, anomalous, seed, copy_of)
    outcomes, findings = [whole], []
    for cue in _cues(facts, views):
        if not (cue.values.std(0) > 1e-9).any():
            continue  # the same in all images
        outcome = probes.probe(cue.name, cue.values, anomalous, seed, copy_of)
        outcomes.append(outcome)
        if outcome.found:
            findings.append(_finding(cue, outcome, whole, keys, anomalous))
    return findings, outcomes


def _finding(cue: _Cue, outcome: Outcome, whole: Outcome, keys: Sequence[str], anomalous: Flags) -> Finding:
    area, best = outcome.probe.auroc, whole.probe.auroc
    return Finding(
        Kind.SHORTCUT,
        cue.severity,
        f"{cue.sentence} (AUROC {area:.2f} by cross-validation; the whole picture {best:.2f}).",
        {"auroc": area, "above_chance": outcome.probe.above_chance or 0.0, "whole_auroc": best},
        _clearest(outcome, keys, anomalous),
    )


def _clearest(outcome: Outcome, keys: Sequence[str], anomalous: Flags) -> tuple[str, ...]:
    """Anomalies and normals that the cue alone puts farthest to their own side, in turn."""
    order = np.argsort(-outcome.scores, kind="stable")
    bad = [keys[int(at)] for at in order if anomalous[at]][:_SHOWN]
    good = [keys[int(at)] for at in order[::-1] if not anomalous[at]][:_SHOWN]
    return tuple(key for pair in zip(bad, good, strict=True) for key in pair)


def _cues(facts: Sequence[Facts], views: Views) -> list[_Cue]:
    headers = [entry.header for entry in facts]
    cues = []
    if views.border is not None:
        sentence = "The label can be told from the border of the pictures alone, the middle painted over"
        cues.append(_Cue("border", sentence, Severity.WARNING, views.border))
    if views.background is not None:
        sentence = "The label can be told from the parts of the pictures that look like their border (background) alone"
        cues.append(_Cue("background", sentence, Severity.WARNING, views.background))
    return [
        *cues,
        _Cue(
            "brightness and colour",
            "The label can be told from overall brightness and colour",
            Severity.WARNING,
            np.stack([entry.colours for entry in facts]).astype(np.float64),
        ),
        _Cue("size", "The label can be told from width and height alone", Severity.WARNING, _sizes(facts)),
        _Cue(
            "file format", "The label can be told from the file format or its quality", Severity.WARNING, _files(facts)
        ),
        _Cue("file length", "The label can be told from the files' length", Severity.INFO, _lengths(facts)),
        _Cue(
            "camera",
            "The label can be told from the camera or software that the files name",
            Severity.WARNING,
            np.hstack([_one_hot([entry.camera for entry in headers]), _one_hot([entry.software for entry in headers])]),
        ),
        _Cue(
            "time",
            "Normals and anomalies were taken at different times, so light and surroundings may tell them apart",
            Severity.INFO,
            _times([entry.taken for entry in headers]),
        ),
    ]


def _sizes(facts: Sequence[Facts]) -> Matrix:
    sides = np.log([[entry.size.width, entry.size.height] for entry in facts])
    return np.column_stack([sides, sides[:, 0] - sides[:, 1]])


def _files(facts: Sequence[Facts]) -> Matrix:
    headers = [entry.header for entry in facts]
    numbers = [[entry.quantisation, float(entry.progressive), float(entry.profile)] for entry in headers]
    return np.hstack([np.array(numbers), _one_hot([f"{entry.format} {entry.mode}" for entry in headers])])


def _lengths(facts: Sequence[Facts]) -> Matrix:
    return np.log([[entry.length / (entry.size.width * entry.size.height)] for entry in facts])


def _times(taken: Sequence[float | None]) -> Matrix:
    """Ranks, so that one picture from another year does not squeeze the rest; the days; whether there is a time."""
    known = np.array([0.0 if time is None else time for time in taken])
    ranks = np.searchsorted(np.sort(known), known) / max(1, len(known))
    days = _one_hot(["" if time is None else str(int(time // 86400)) for time in taken])
    return np.column_stack([ranks, np.square(ranks - 0.5), days])


def _one_hot(values: Sequence[str]) -> npt.NDArray[np.float64]:
    """(n, up to 8) of the most frequent values."""
    names, counts = np.unique(np.array(values), return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:_CATEGORIES]
    return np.array([[float(value == name) for name in frequent] for value in values])
