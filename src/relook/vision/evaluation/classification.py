"""Classifiers, single-label and multi-label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relook.vision.evaluation.evidence import Evidence
from relook.vision.evaluation.figures import Evaluation, evaluation
from relook.vision.labelled import as_told


def evaluate_classifier(
    truths: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float64],
    labels: Sequence[str],
    *,
    single: bool,
    seed: int | None,
    thresholds: Sequence[float] | None = None,
) -> Evaluation:
    """`truths` and `scores` are (images, labels), scores in 0..1. Deterministic for a seed; None:
    no intervals.

    `single` says that each image has one label: the confusion then counts the surest label of each image, otherwise
    every label at or above its threshold. Off its diagonal are labels that an image does not have, said of it.
    `thresholds` are those of the best F1 on these images unless given.
    ValueError without an image.
    """
    if not len(truths) or truths.shape != scores.shape or truths.shape[1] != len(labels):
        raise ValueError(f"{truths.shape} truths and {scores.shape} scores of {len(labels)} labels: nothing to compare")
    told = np.array([[as_told(score) for score in row] for row in scores.tolist()])
    image = np.arange(len(truths))
    evidence = [
        Evidence.ordered(told[:, at], truths[:, at], image, truths[:, at].astype(np.int64)) for at in range(len(labels))
    ]
    chosen = [each.threshold() for each in evidence] if thresholds is None else list(thresholds)
    said = _surest(scores) if single else told >= np.array(chosen)
    confusion = truths.T.astype(np.int64) @ (said & ~truths) + np.diag((truths & said).sum(0))
    return evaluation(labels, evidence, chosen, confusion, seed)


def _surest(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    surest: npt.NDArray[np.bool_] = np.arange(scores.shape[1]) == scores.argmax(1)[:, None]
    return surest
