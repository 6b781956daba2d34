"""The ONNX graph of a classifier: one uint8 image in, the score of each label out.

Up to the patches it is that of anomaly models and runs in the model's precision; what follows is float32 (`runtime`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import helper

from relook.vision import graph
from relook.vision.backbones import Backbone
from relook.vision.classify.names import SCORES
from relook.vision.classify.pooling import (
    DEVIATION,
    MEAN,
    PEAK,
    QUARTERS,
    TINY,
    counts,
    evidence_blocks,
    quarter_slices,
)
from relook.vision.graph import Bank, Builder, Projection
from relook.vision.images import Size

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """score = softmax (`single`) or sigmoid of (values - mean) @ weight + bias; values are those of `blocks`, one after
    the other: mean (values,), weight (values, labels), bias (labels,). `groups` are those whose memories it needs."""

    blocks: tuple[str, ...]
    groups: tuple[int, ...]
    mean: Floats
    weight: Floats
    bias: Floats
    single: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    """Names: the patches (cells, channels), and the mean (1, channels) of each channel."""

    patches: str
    mean: str
    cells: Size
    channels: int


def export(backbone: Backbone, size: Size, head: Head, projection: Projection | None, banks: Sequence[Floats]) -> bytes:
    """Input `image0` uint8 (1, height, width, 3), output `scores` float32 (1, labels). `banks` (m, dims) are those of
    all groups; without groups in `head` neither they nor `projection` are needed. Same arguments, same bytes."""
    builder, nodes, source = graph.opened(backbone)
    patches, cells = graph.features(builder, nodes, source, backbone, size)
    mean = builder.add("ReduceMean", [patches], axes=[0], keepdims=1)
    seen = _Seen(patches, mean, cells, backbone.channels)
    blocks = _pooled(builder, seen, head.blocks)
    if head.groups:
        assert projection is not None
        product = builder.add("MatMul", [patches, builder.constant(projection.weight)])
        embedding = builder.add("Add", [product, builder.constant(projection.bias)])
        for group in head.groups:
            blocks |= _evidence(builder, embedding, graph.bank_of(builder, banks[group]), cells, group)
    values = builder.add("Concat", [blocks[name] for name in head.blocks], axis=1)
    centred = builder.add("Sub", [values, builder.constant(head.mean)])
    product = builder.add("MatMul", [centred, builder.constant(head.weight)])
    logits = builder.add("Add", [product, builder.constant(head.bias)])
    if head.single:
        builder.add("Softmax", [logits], SCORES, axis=1)
    else:
        builder.add("Sigmoid", [logits], SCORES)
    graph.set_outputs(builder.model, {SCORES: [1, len(head.bias)]})
    data: bytes = builder.model.SerializeToString(deterministic=True)
    return data


def _pooled(builder: Builder, seen: _Seen, wanted: Sequence[str]) -> dict[str, str]:
    """The names of the blocks of `wanted`, each (1, values)."""
    found = {MEAN: seen.mean}
    if DEVIATION in wanted:
        off = builder.add("Sub", [seen.patches, seen.mean])
        variance = builder.add("ReduceMean", [builder.add("Mul", [off, off])], axes=[0], keepdims=1)
        found[DEVIATION] = builder.add("Sqrt", [variance])
    if PEAK in wanted:
        found[PEAK] = builder.add("ReduceMax", [seen.patches], axes=[0], keepdims=1)
    if QUARTERS in wanted:
        shape = builder.shape(seen.cells.height, seen.cells.width, seen.channels)
        plane = builder.add("Reshape", [seen.patches, shape])
        parts = [_quarter(builder, plane, rows, columns) for rows, columns in quarter_slices(seen.cells)]
        joined = builder.add("Concat", parts, axis=0)
        found[QUARTERS] = builder.add("Reshape", [joined, builder.shape(1, len(parts) * seen.channels)])
    return found


def _quarter(builder: Builder, plane: str, rows: slice, columns: slice) -> str:
    """(channels,): the mean over a part of the grid."""
    starts, ends = builder.shape(rows.start, columns.start), builder.shape(rows.stop, columns.stop)
    part = builder.add("Slice", [plane, starts, ends, builder.shape(0, 1)])
    return builder.add("ReduceMean", [part], axes=[0, 1], keepdims=0)


def _evidence(builder: Builder, embedding: str, bank: Bank, cells: Size, group: int) -> dict[str, str]:
    """The names of a group's blocks, each (1, values)."""
    distance = graph.distances(builder, embedding, bank, cells)
    means = []
    most = counts(cells.height * cells.width)
    falling, places = f"relook/falling{group}", f"relook/places{group}"
    top = helper.make_node("TopK", [distance, builder.shape(most[-1])], [falling, places])
    builder.model.graph.node.append(top)
    for count in most:
        part = builder.add("Slice", [falling, builder.shape(0), builder.shape(count)])
        means.append(builder.add("ReduceMean", [part], axes=[0], keepdims=1))
    means.append(builder.add("ReduceMean", [distance], axes=[0], keepdims=1))
    joined = builder.add("Add", [builder.add("Concat", means, axis=0), builder.constant(np.array([TINY], np.float32))])
    far = builder.add("Reshape", [builder.add("Log", [joined]), builder.shape(1, len(means))])
    worst = builder.add("Slice", [places, builder.shape(0), builder.shape(most[2])])
    residual = graph.residuals(builder, embedding, worst, bank)
    astray = builder.add("ReduceMean", [builder.add("Abs", [residual])], axes=[0], keepdims=1)
    drift = builder.add("ReduceMean", [residual], axes=[0], keepdims=1)
    return dict(zip(evidence_blocks(group), (far, astray, drift), strict=True))
