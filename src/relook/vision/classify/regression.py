"""Logistic regression with an L2 penalty, of one label out of many or of each label apart, and its calibration.

scikit-learn's fits one label at a time, too slow for 250 labels on thousands of images; SciPy minimises all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from relook.vision.calibration import fit_platt

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RANK = 1e-9
"""Part of the largest square of a principal axis from which on an axis counts."""
THIN = 3
"""Held-out images with a label, or without, below which it is not calibrated by itself."""
_STEPS = 150
_TOLERANCE = 1e-4
_LEAST = 1e-300
_LOOSE = 1e-4
"""Of the penalty on the intercept against that on the weights: a label that is absent from a fold must stay finite."""


@dataclass(frozen=True, slots=True)
class Linear:
    """logits = values @ weight + bias; weight (values, labels), bias (labels,)."""

    weight: Matrix
    bias: Matrix

    def apply(self, values: Matrix) -> Matrix:
        logits: Matrix = values @ self.weight + self.bias
        return logits


@dataclass(frozen=True, slots=True)
class Scaling:
    """score = softmax or sigmoid of slope * logit + offset; both (labels,)."""

    slope: Matrix
    offset: Matrix


def balance(truths: Flags, single: bool) -> Matrix:
    """(images, labels): weights by which every label, and its absence where labels stand apart, counts alike."""
    images, labels = truths.shape
    positives = np.maximum(truths.sum(0), 1)
    if single:
        each: Matrix = (truths * (images / (labels * positives))).sum(1, keepdims=True)
        return np.repeat(each, labels, axis=1)
    negatives = np.maximum(images - truths.sum(0), 1)
    found: Matrix = np.where(truths, images / (2 * positives), images / (2 * negatives))
    return found


def fit(values: Matrix, truths: Flags, strength: float, single: bool, near: Linear | None = None) -> Linear:
    """From `values` (images, n) and `truths` (images, labels); `strength` is scikit-learn's C. The search starts from
    `near`, a head for much the same, which shortens it."""
    weights = strength * balance(truths, single)
    width, labels = values.shape[1], truths.shape[1]
    loss_of = _one_of_many if single else _apart

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weight, bias = flat[:-labels].reshape(width, labels), flat[-labels:]
        total, error = loss_of(values @ weight + bias, truths, weights)
        penalty = 0.5 * float(np.square(weight).sum() + _LOOSE * np.square(bias).sum())
        slope = np.concatenate([(values.T @ error + weight).ravel(), error.sum(0) + _LOOSE * bias])
        return total + penalty, slope

    start = np.zeros(width * labels + labels) if near is None else np.append(near.weight.ravel(), near.bias)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "gtol": _TOLERANCE})
    return Linear(found.x[:-labels].reshape(width, labels), found.x[-labels:])


def _one_of_many(logits: Matrix, truths: Flags, weights: Matrix) -> tuple[float, Matrix]:
    """The weighted cross-entropy and its slope by the logits."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    shares = odds / odds.sum(1, keepdims=True)
    said = np.log(np.maximum(shares[truths], _LEAST))
    return -float(weights[truths] @ said), weights * (shares - truths)


def _apart(logits: Matrix, truths: Flags, weights: Matrix) -> tuple[float, Matrix]:
    """The same where every label is a question of its own."""
    right = np.where(truths, logits, -logits)
    return float((weights * np.logaddexp(0, -right)).sum()), weights * (expit(logits) - truths)


def fit_reduced(values: Matrix, truths: Flags, strength: float, single: bool) -> Linear:
    """The same where there are fewer images than values: the weights are then a sum of the images, and are sought among
    those."""
    if len(values) > values.shape[1]:
        return fit(values, truths, strength, single)
    squares, axes = np.linalg.eigh(values @ values.T)
    kept = squares > RANK * squares[-1]
    roots, axes = np.sqrt(squares[kept]), axes[:, kept]
    found = fit(axes * roots, truths, strength, single)
    return Linear(values.T @ (axes / roots) @ found.weight, found.bias)


def calibrate(logits: Matrix, truths: Flags, single: bool, repeats: int = 1) -> Scaling:
    """From held-out `logits` (images, labels), each image there `repeats` times: one slope for all labels of one
    decision (Guo et al., 2017), every label its own where they stand apart (Platt, 1999). Targets are smoothed, so that
    nothing is ever called certain.

    Labels that hardly any of these images has, or lacks, are calibrated by all labels together: of themselves these
    images tell nothing.
    """
    labels = truths.shape[1]
    if not single:
        each = [fit_platt(logits[:, at], truths[:, at]) for at in range(labels)]
        having = truths.sum(0)
        if (thin := np.minimum(having, len(truths) - having) < repeats * THIN).any():
            together = fit_platt(logits.ravel(), truths.ravel())
            each = [together if alone else one for one, alone in zip(each, thin, strict=True)]
        return Scaling(np.array([one.slope for one in each]), np.array([one.offset for one in each]))
    doubt = 1 / (len(truths) + 2)
    target = np.where(truths, 1 - doubt, doubt / max(1, labels - 1))
    weights = balance(truths, single)

    def loss(log_slope: float) -> float:
        return -float((weights * target * log_softmax(np.exp(log_slope) * logits, axis=1)).sum())

    slope = float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
    return Scaling(np.full(labels, slope), np.zeros(labels))


def at_frequency(scaling: Scaling, judged: Flags, truths: Flags) -> Scaling:
    """For labels apart, fitted on `judged` (images, labels), what holds where labels are as frequent as in `truths`:
    the odds change as those of the label do (Saerens et al., 2002). Labels that `calibrate` takes together stay."""
    having = judged.sum(0)
    known = np.minimum(having, len(judged) - having) >= THIN
    before, after = (np.log((found.sum(0) + 0.5) / (len(found) - found.sum(0) + 0.5)) for found in (judged, truths))
    return Scaling(scaling.slope, scaling.offset + np.where(known, after - before, 0.0))


def scores(logits: Matrix, scaling: Scaling, single: bool) -> Matrix:
    """(images, labels) in 0..1."""
    scaled = scaling.slope * logits + scaling.offset
    found: Matrix = softmax(scaled, axis=1) if single else expit(scaled)
    return found


def information(logits: Matrix, truths: Flags, scaling: Scaling, single: bool) -> float:
    """1 - log-loss over that of knowing nothing, every label that an image has counting alike; 0 at worst. Labels apart
    are compared with saying always how frequent they are, and those that all images have or none are left out."""
    scaled = scaling.slope * logits + scaling.offset
    if single:
        total = -float((balance(truths, single) * truths * log_softmax(scaled, axis=1)).sum())
        loss = total / len(truths) * int(truths.shape[1]) / int(truths.any(0).sum())
        return max(0.0, 1 - loss / float(np.log(truths.shape[1])))
    share = truths.mean(0)
    known = (share > 0) & (share < 1)
    share = share[known]
    loss = -log_expit(np.where(truths, scaled, -scaled))[:, known].mean(0)
    nothing = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    return max(0.0, float((1 - loss / nothing).mean())) if known.any() else 0.0
