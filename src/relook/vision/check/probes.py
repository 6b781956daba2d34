"""How well a few numbers about each image tell its label: cross-validated, and held against shuffled labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from relook.vision.check.report import Probe
from relook.vision.classify import regression
from relook.vision.metrics import auroc

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

FEWEST = 8
"""Pictures of each label: with fewer no AUROC says anything."""
HIGH = 0.80
"""AUROC from which a cue matters."""
CLEAR = 3.0
"""Deviations above shuffled labels from which a cue is no accident: 1 in 700 for each cue."""
_FOLDS, _REPEATS, _SHUFFLES = 5, 5, 60
_DIMS = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """`scores` (n,) are out of fold, higher for what looks anomalous, in units of the logit."""

    probe: Probe
    scores: Vector

    @property
    def found(self) -> bool:
        """The rule: the AUROC is at least HIGH, and CLEAR deviations above that of shuffled labels."""
        return self.probe.auroc >= HIGH and (self.probe.above_chance or 0.0) >= CLEAR


def can_tell(anomalous: Flags) -> bool:
    """Whether there are enough images of each label to try."""
    return min(int(anomalous.sum()), int((~anomalous).sum())) >= FEWEST


def probe(cue: str, values: Matrix, anomalous: Flags, seed: int, copy_of: Positions | None = None) -> Outcome:
    """A logistic regression on the leading principal axes of `values` (n, k), in 5 folds, 5 times over.

    Images of one `copy_of` (n,) and label are one picture: held out together, and with one label when these are
    shuffled. With fewer than FEWEST pictures of a label nothing is told.
    """
    rows = _reduced(values)
    own = np.arange(len(rows)) if copy_of is None else copy_of
    _, first, picture = np.unique(2 * own + anomalous, return_index=True, return_inverse=True)
    labels = anomalous[first]
    if not can_tell(labels):
        return Outcome(Probe(cue, 0.5), np.zeros(len(rows)))
    runs = [
        _out_of_fold(rows, labels[:, None], picture, _dealt(labels, seed + repeat))[:, 0] for repeat in range(_REPEATS)
    ]
    scores = np.mean(runs, axis=0)
    area = float(np.mean([_area(run, anomalous) for run in runs]))
    if area < HIGH:
        return Outcome(Probe(cue, area), scores)
    fold, rng = _dealt(labels, seed), np.random.default_rng([seed, 21])
    shuffled = np.stack([_shuffled(labels, fold, rng) for _ in range(_SHUFFLES)], 1)
    by_chance = _out_of_fold(rows, shuffled, picture, fold)
    chance = np.array([_area(by_chance[:, at], shuffled[picture, at]) for at in range(_SHUFFLES)])
    deviation = float(chance.std())
    return Outcome(Probe(cue, area, deviation, (area - float(chance.mean())) / max(deviation, 1e-6)), scores)


def _reduced(values: Matrix) -> Matrix:
    """Standardised, then at most _DIMS principal axes, the first of deviation 1: later ones count less, as noise does.

    Labels have no part in it, so that nothing leaks between folds.
    """
    varying = values[:, values.std(0) > 1e-9]
    if not varying.shape[1]:
        return np.zeros((len(values), 1))
    standard = (varying - varying.mean(0)) / varying.std(0)
    left, scale, _ = np.linalg.svd(standard, full_matrices=False)
    keep = min(_DIMS, max(2, len(values) // 4), len(scale))
    rows: Matrix = left[:, :keep] * (scale[:keep] / scale[0]) * np.sqrt(len(values))
    return rows


def _out_of_fold(rows: Matrix, labels: Flags, picture: Positions, fold: Positions) -> Matrix:
    """(n, questions): scores of `rows` (n, k), which show `picture` (n,), for each question that `labels` (pictures,
    questions) answers; `fold` (pictures,) says what is held out together."""
    scores, truths = np.empty((len(rows), labels.shape[1])), labels[picture]
    for each in np.unique(fold):
        held = (fold == each)[picture]
        scores[held] = regression.fit(rows[~held], truths[~held], 1.0, single=False).apply(rows[held])
    return scores


def _dealt(labels: Flags, seed: int) -> Positions:
    """(pictures,) folds with much the same part of both labels."""
    folds = min(_FOLDS, int(labels.sum()), int((~labels).sum()))
    deal = np.empty(len(labels), np.int64)
    for number, (_, held) in enumerate(
        StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(labels, labels)
    ):
        deal[held] = number
    return deal


def _shuffled(labels: Flags, fold: Positions, rng: np.random.Generator) -> Flags:
    """Exchanged within each fold: as many of both labels stay there, or what is left would tell of what is held out."""
    found = labels.copy()
    for each in np.unique(fold):
        within = np.flatnonzero(fold == each)
        found[within] = rng.permutation(labels[within])
    return found


def _area(scores: Vector, anomalous: Flags) -> float:
    found = auroc(scores, anomalous)
    assert found is not None, "both labels are there: can_tell"
    return found
