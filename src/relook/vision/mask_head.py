"""A small network per patch that names the defect: its own embedding, its neighbourhood's, and its distance."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from relook.vision.graph import CONTEXT, DenseLayers
from relook.vision.images import Size
from relook.vision.masks import ClassMap

Floats = npt.NDArray[np.float32]

HIDDEN = 48
EPOCHS = 12
SAMPLED_DEFECT = 8_000
SAMPLED_BACKGROUND = 12_000
DEFECT_FROM = 0.25
"""A cell is taken as defect in training when at least this part of it is; thin scratches fill no cell."""
IGNORED_FROM = 0.02
"""Cells with less than DEFECT_FROM but more than this are left out of training: their label is a matter of taste."""
_BIASES = np.linspace(-4.0, 4.0, 17)


def context(embedding: Floats, distance: Floats, grid: Size) -> Floats:
    """(cells, 3 * dims + 1): what the head sees of each cell; the graph computes the same."""
    plane = embedding.reshape(grid.height, grid.width, -1)
    near = _mean_of(plane)
    wide = _mean_of(near)
    return np.concatenate([plane, near, wide, distance.reshape(grid.height, grid.width, 1)], 2).reshape(
        len(embedding), -1
    )


def _mean_of(plane: Floats) -> Floats:
    half = CONTEXT // 2
    rows, columns = plane.shape[:2]
    padded = np.pad(plane, ((half, half), (half, half), (0, 0)), mode="edge")
    tall = sum((padded[at : at + rows] for at in range(1, CONTEXT)), padded[:rows])
    both: Floats = sum((tall[:, at : at + columns] for at in range(1, CONTEXT)), tall[:, :columns])
    return both / np.float32(CONTEXT * CONTEXT)


def cover(mask: ClassMap, grid: Size, classes: int) -> Floats:
    """(cells, classes): the part of each cell that each defect class covers, 0..1."""
    rows = np.arange(grid.height + 1) * mask.shape[0] // grid.height
    columns = np.arange(grid.width + 1) * mask.shape[1] // grid.width
    area = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    parts = []
    for at in range(1, classes + 1):
        summed = np.add.reduceat((mask == at).astype(np.float32), rows[:-1], axis=0)
        parts.append((np.add.reduceat(summed, columns[:-1], axis=1) / area).ravel())
    return np.stack(parts, 1).astype(np.float32)


def sample(
    covered: Floats, images: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cells of one image to train on and their classes, its share of what `images` images may give in all."""
    total = covered.sum(1)
    defect = np.flatnonzero(total >= DEFECT_FROM)
    clean = np.flatnonzero(total <= IGNORED_FROM)
    defect = rng.permutation(defect)[: max(1, SAMPLED_DEFECT // images)]
    clean = rng.permutation(clean)[: max(1, SAMPLED_BACKGROUND // images)]
    cells = np.concatenate([defect, clean])
    return cells, np.concatenate([covered[defect].argmax(1) + 1, np.zeros(len(clean), np.int64)])


def fit(inputs: Floats, labels: npt.NDArray[np.int64], classes: int, seed: int) -> DenseLayers:
    """Adam for a fixed number of epochs on balanced cells; a class without a cell gets a logit that never wins."""
    mean, deviation = inputs.mean(0), inputs.std(0) + 1e-3
    present = np.unique(labels)
    if len(present) < 2:
        return _constant(inputs.shape[1], classes, int(present[0]) if len(present) else 0)
    model = MLPClassifier((HIDDEN,), alpha=1e-3, max_iter=EPOCHS, learning_rate_init=2e-3, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is the stopping rule
        model.fit((inputs - mean) / deviation, labels)
    w1 = (model.coefs_[0] / deviation[:, None]).astype(np.float32)
    b1 = (model.intercepts_[0] - mean @ w1).astype(np.float32)
    w2, b2 = np.zeros((HIDDEN, classes + 1), np.float32), np.full(classes + 1, -30, np.float32)
    if len(present) == 2:  # scikit-learn keeps one logit for two classes: the second's over the first's
        b2[present[0]] = 0
        w2[:, present[1]], b2[present[1]] = model.coefs_[1][:, 0], model.intercepts_[1][0]
    else:
        w2[:, present], b2[present] = model.coefs_[1], model.intercepts_[1]
    return DenseLayers(w1, b1, w2, b2)


def _constant(inputs: int, classes: int, winner: int) -> DenseLayers:
    b2 = np.full(classes + 1, -30, np.float32)
    b2[winner] = 0
    return DenseLayers(
        np.zeros((inputs, HIDDEN), np.float32),
        np.zeros(HIDDEN, np.float32),
        np.zeros((HIDDEN, classes + 1), np.float32),
        b2,
    )


def apply(layers: DenseLayers, inputs: Floats) -> Floats:
    """(cells, classes + 1) logits."""
    hidden = np.maximum(inputs @ layers.w1 + layers.b1, 0)
    logits: Floats = hidden @ layers.w2 + layers.b2
    return logits


def choose_bias(logits: Floats, covered: Floats) -> tuple[float, float]:
    """What to add to the background's logit for the best mean overlap over held-out cells, and that overlap."""
    best = max((_overlap(logits, covered, float(bias)), -abs(float(bias)), float(bias)) for bias in _BIASES)
    return best[2], best[0]


def _overlap(logits: Floats, covered: Floats, bias: float) -> float:
    shifted = logits.copy()
    shifted[:, 0] += bias
    winner = shifted.argmax(1)
    ious = []
    for at in range(covered.shape[1]):
        part, said = covered[:, at], winner == at + 1
        hits = float(part[said].sum())
        union = float(part.sum()) + float(said.sum()) - hits
        ious.append(hits / union if union else 1.0)
    return float(np.mean(ious))


def with_bias(layers: DenseLayers, bias: float) -> DenseLayers:
    """The background's logit raised by `bias`."""
    b2 = layers.b2.copy()
    b2[0] += bias
    return replace(layers, b2=b2)
