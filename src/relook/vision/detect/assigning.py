"""Which cells answer for which true box, and what they are told off for.

Task-aligned assignment (Feng et al., 2021, arXiv 2108.07755): a box goes to the cells inside it that already are the
best at it, by score and overlap together; the score they are taught is how well they overlap it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

CELLS_PER_BOX = 10
_TINY = 1e-9
BOX_GAIN = 5.0


@dataclass(frozen=True, slots=True)
class Truths:
    """Boxes of a batch, images padded to the same count: `boxes` (n, m, 4) left, top, right, bottom in pixels, `labels`
    (n, m) positions, `there` (n, m) which of them are none of the padding."""

    boxes: torch.Tensor
    labels: torch.Tensor
    there: torch.Tensor


@dataclass(frozen=True, slots=True)
class Assigned:
    """For every cell: `scores` (n, cells, labels) to be taught, `boxes` (n, cells, 4), `chosen` (n, cells)."""

    scores: torch.Tensor
    boxes: torch.Tensor
    chosen: torch.Tensor


@dataclass(frozen=True, slots=True)
class Cells:
    """`centres` (cells, 2) x and y in pixels and `strides` (cells,) of all levels, finest first."""

    centres: torch.Tensor
    strides: torch.Tensor


def cells_of(height: int, width: int, strides: tuple[int, ...]) -> Cells:
    """Of an image whose sides are multiples of the strides."""
    centres, sides = [], []
    for stride in strides:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2).float() + 0.5) * stride)
        sides.append(torch.full((len(centres[-1]),), float(stride)))
    return Cells(torch.cat(centres), torch.cat(sides))


def assign(logits: torch.Tensor, boxes: torch.Tensor, truths: Truths, cells: Cells) -> Assigned:
    """`logits` (n, cells, labels) and `boxes` (n, cells, 4) as predicted now, without gradients."""
    count, total, labels = logits.shape
    if truths.boxes.shape[1] == 0:
        return Assigned(torch.zeros_like(logits), torch.zeros_like(boxes), torch.zeros(count, total, dtype=torch.bool))
    near = _near(truths, cells)
    overlap = overlaps(truths.boxes[:, :, None], boxes[:, None]).clamp_min(0) * near  # (n, m, cells)
    wanted = truths.labels[:, None, :].expand(count, total, -1)
    score = logits.sigmoid().gather(2, wanted).transpose(1, 2)
    cube = overlap * overlap * overlap  # pow takes ten times as long
    fit = score.sqrt() * cube * cube
    # A box that nothing overlaps yet still gets cells: those nearest to its centre.
    fit = (fit + _TINY * _closeness(truths, cells)) * near
    best, place = fit.topk(min(CELLS_PER_BOX, total), 2)
    taken = torch.zeros_like(fit, dtype=torch.bool).scatter_(2, place, best > 0)
    claimed = torch.where(taken, overlap + _TINY, torch.zeros_like(overlap))
    winner = claimed.argmax(1)  # (n, cells): of several boxes the one that the cell overlaps most
    chosen = taken.any(1)
    taken = taken & functional.one_hot(winner, taken.shape[1]).transpose(1, 2).bool()
    fit = fit * taken
    scale = (overlap * taken).amax(2, keepdim=True) / fit.amax(2, keepdim=True).clamp_min(_TINY * _TINY)
    taught = (fit * scale).amax(1) * chosen
    label = truths.labels.gather(1, winner)
    scores = functional.one_hot(label, labels).to(logits.dtype) * taught[..., None]
    return Assigned(scores, truths.boxes.gather(1, winner[..., None].expand(-1, -1, 4)), chosen)


def loss(logits: torch.Tensor, boxes: torch.Tensor, truths: Truths, cells: Cells) -> torch.Tensor:
    """Of a batch: how wrong the scores are of all cells, and the boxes of those that answer for one."""
    assigned = assign(logits.detach(), boxes.detach(), truths, cells)
    total = assigned.scores.sum().clamp_min(1.0)
    scores = functional.binary_cross_entropy_with_logits(logits, assigned.scores, reduction="sum")
    if not bool(assigned.chosen.any()):
        return scores / total + 0 * boxes.sum()
    weight = assigned.scores.sum(-1)[assigned.chosen].clamp_min(0.05)
    missed = 1 - complete_overlap(boxes[assigned.chosen], assigned.boxes[assigned.chosen])
    return scores / total + BOX_GAIN * (missed * weight).sum() / weight.sum()


def overlaps(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Intersection over union of boxes (.., 4), by broadcasting."""
    low = torch.maximum(one[..., :2], other[..., :2])
    high = torch.minimum(one[..., 2:], other[..., 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    union = _area(one) + _area(other) - shared
    return shared / union.clamp_min(_TINY)


def complete_overlap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Overlap less the distance of centres and the difference in shape (CIoU, Zheng et al., 2019), for (k, 4)."""
    ratio = overlaps(one, other)
    low, high = torch.minimum(one[:, :2], other[:, :2]), torch.maximum(one[:, 2:], other[:, 2:])
    diagonal = (high - low).square().sum(-1).clamp_min(_TINY)
    apart = (one[:, :2] + one[:, 2:] - other[:, :2] - other[:, 2:]).square().sum(-1) / 4
    sides, wanted = (one[:, 2:] - one[:, :2]).clamp_min(1e-3), (other[:, 2:] - other[:, :2]).clamp_min(1e-3)
    turn = torch.atan(wanted[:, 0] / wanted[:, 1]) - torch.atan(sides[:, 0] / sides[:, 1])
    shape = 4 / math.pi**2 * turn.square()
    with torch.no_grad():
        part = shape / (1 - ratio + shape).clamp_min(_TINY)
    return ratio - apart / diagonal - part * shape


def _near(truths: Truths, cells: Cells) -> torch.Tensor:
    """(n, m, cells): whose centre is inside the box, or, for a box smaller than that, within a stride of its centre."""
    middle = (truths.boxes[..., :2] + truths.boxes[..., 2:]) / 2
    half = (truths.boxes[..., 2:] - truths.boxes[..., :2]) / 2
    allowed = torch.maximum(half[:, :, None], cells.strides[None, None, :, None])
    inside = ((cells.centres[None, None] - middle[:, :, None]).abs() < allowed).all(-1)
    return inside & truths.there[..., None]


def _closeness(truths: Truths, cells: Cells) -> torch.Tensor:
    """(n, m, cells) in 0..1: 1 for a cell at the box's centre of a stride that suits its size."""
    middle = (truths.boxes[..., :2] + truths.boxes[..., 2:]) / 2
    side = (truths.boxes[..., 2:] - truths.boxes[..., :2]).clamp_min(1).prod(-1).sqrt()
    apart = (cells.centres[None, None] - middle[:, :, None]).square().sum(-1).sqrt() / side[..., None]
    suited = (torch.log2(side)[..., None] - torch.log2(4 * cells.strides)[None, None]).abs()
    return 1 / (1 + apart + suited)


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)
