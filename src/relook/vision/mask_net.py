"""The mask head as a small network per cell, taught which share of the cell each defect class covers.

It sees the cell's embedding, its neighbourhood's twice, its distance and, where there is one, the same place at a
coarser scale: a crack's open end looks like background from near by. Trained here with numpy; served by the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from relook.vision.cell_context import context
from relook.vision.graph import CellNet
from relook.vision.images import Size

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Positions = npt.NDArray[np.int64]

HIDDEN = (48, 24)
BATCH = 256
STEPS = 2_400
MOST_EPOCHS = 40
"""A step takes BATCH cells; few cells are not gone over more often than this."""
_RATE = 2e-3
_DECAY = 1e-3
_DROPPED = 0.1
_SMOOTHING = (0.9, 0.999)
_NEVER = np.float32(-30)
_STANDARDISED_FROM = 20_000


@dataclass(frozen=True, slots=True)
class CellView:
    """An image at one scale: embedding (cells, dims), distance (cells,) to the memory of normals, rows and columns."""

    embedding: Floats
    distance: Floats
    grid: Size


def inputs(fine: CellView, coarse: CellView | None = None) -> Floats:
    """(cells, 3 * dims + 1 [+ dims + 1]): what the head sees of each cell of `fine`; the graph computes the same.

    The coarser view's embedding and distance are interpolated onto the finer grid.
    """
    near = context(fine.embedding, fine.distance, fine.grid)
    if coarse is None:
        return near
    plane = np.concatenate([coarse.embedding, coarse.distance[:, None]], axis=1)
    wide = enlarge(plane.reshape(coarse.grid.height, coarse.grid.width, -1), fine.grid)
    return np.concatenate([near, wide.reshape(len(near), -1)], axis=1)


def enlarge(plane: Floats, grid: Size) -> Floats:
    """(rows, columns, channels) linearly interpolated between cell centres: ONNX's `Resize`, `half_pixel`, `linear`."""
    for axis, count in enumerate((grid.height, grid.width)):
        have = plane.shape[axis]
        at = np.clip((np.arange(count) + 0.5) * have / count - 0.5, 0, have - 1)
        low = at.astype(np.int64)
        part = (at - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        high = np.minimum(low + 1, have - 1)
        plane = plane.take(low, axis) * (1 - part) + plane.take(high, axis) * part
    return plane


def apply(net: CellNet, seen: Floats) -> Floats:
    """(cells, classes + 1) logits."""
    return _forward(net.weights, net.biases, seen)[-1]


def with_background(net: CellNet, bias: float) -> CellNet:
    """The background's logit raised by `bias`."""
    last = net.biases[-1].copy()
    last[0] += bias
    return replace(net, biases=(*net.biases[:-1], last))


def fit(seen: Halves, shares: Floats, rows: Positions, seed: int, most_steps: int = STEPS) -> CellNet:
    """From the `rows` of `seen` (n, inputs) and `shares` (n, classes), the parts of a cell that the classes cover.

    Adam on the cross-entropy with the shares, the rate falling to nothing over a fixed number of steps. A class that
    covers no cell gets a logit that never wins. The same arguments give the same network.
    """
    rng = np.random.default_rng([seed, 8])
    shares = shares[rows]
    some = seen[rows[rng.permutation(len(rows))[:_STANDARDISED_FROM]]].astype(np.float32)
    mean, gain = some.mean(0), 1 / (some.std(0) + np.float32(1e-3))
    background = np.maximum(1 - shares.sum(1, keepdims=True), 0)
    target = np.concatenate([background, shares], axis=1)
    sides = (seen.shape[1], *HIDDEN, target.shape[1])
    learner = _Learner(sides, rng)
    steps = min(most_steps, STEPS, MOST_EPOCHS * -(-len(rows) // BATCH))
    order = np.empty(0, np.int64)
    for step in range(steps):
        if not len(order):
            order = rng.permutation(len(rows))
        batch, order = order[:BATCH], order[BATCH:]
        x = seen.take(rows[batch], 0).astype(np.float32)
        x -= mean
        x *= gain
        x *= (rng.random(x.shape, np.float32) >= _DROPPED) / np.float32(1 - _DROPPED)
        learner.step(x, target[batch], _RATE * 0.5 * (1 + np.cos(np.pi * step / steps)))
    first = learner.weights[0] * gain[:, None]
    weights = [first, *learner.weights[1:]]
    biases = [learner.biases[0] - mean @ first, *learner.biases[1:]]
    absent = 1 + np.flatnonzero(shares.sum(0) == 0)
    weights[-1][:, absent], biases[-1][absent] = 0, _NEVER
    return CellNet(tuple(weights), tuple(biases))


class _Learner:
    """Adam with decay over the layers of a network with softmax outputs."""

    def __init__(self, sides: Sequence[int], rng: np.random.Generator) -> None:
        pairs = list(pairwise(sides))
        self.weights = [rng.normal(0, np.sqrt(2 / rows), (rows, columns)).astype(np.float32) for rows, columns in pairs]
        self.weights[-1] *= np.float32(0.3)
        self.biases = [np.zeros(columns, np.float32) for _, columns in pairs]
        self._first = [np.zeros_like(part) for part in (*self.weights, *self.biases)]
        self._second = [np.zeros_like(part) for part in (*self.weights, *self.biases)]
        self._steps = 0

    def step(self, x: Floats, target: Floats, rate: float) -> None:
        """One step on a batch: x (n, inputs), target (n, classes + 1) shares that sum to 1."""
        self._steps += 1
        fast, slow = _SMOOTHING
        scale = np.float32(rate / (1 - fast**self._steps))
        unbias = np.float32(1 / (1 - slow**self._steps))
        parts = (*self.weights, *self.biases)
        for part, slope, first, second in zip(parts, self._slopes(x, target), self._first, self._second, strict=True):
            first += np.float32(1 - fast) * (slope - first)
            second += np.float32(1 - slow) * (slope * slope - second)
            part -= scale * first / (np.sqrt(second * unbias) + np.float32(1e-8))

    def _slopes(self, x: Floats, target: Floats) -> list[Floats]:
        """Of the loss by every weight matrix, then by every bias."""
        layers = [x, *_forward(self.weights, self.biases, x)]
        odds = np.exp(layers[-1] - layers[-1].max(1, keepdims=True))
        error = (odds / odds.sum(1, keepdims=True) - target) / np.float32(len(x))
        weights: list[Floats] = []
        biases: list[Floats] = []
        for depth in reversed(range(len(self.weights))):
            weights.insert(0, layers[depth].T @ error + np.float32(_DECAY) * self.weights[depth])
            biases.insert(0, error.sum(0))
            if depth:
                error = (error @ self.weights[depth].T) * (layers[depth] > 0)
        return [*weights, *biases]


def _forward(weights: Sequence[Floats], biases: Sequence[Floats], x: Floats) -> list[Floats]:
    """Each layer's values, the last one's the logits."""
    values: list[Floats] = []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = np.maximum(x @ weight + bias, 0)
        values.append(x)
    return [*values, x @ weights[-1] + biases[-1]]
