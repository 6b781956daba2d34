"""The ONNX graph of a model: uint8 images in, patch distances, residuals and head logits out.

A model looks at an image in one or several views, which differ in size. Each has its own input and outputs, numbered as
`graph_names` tells; all share the backbone's weights. The part up to the tensors `patches` runs in the model's
precision, the rest always in float32 (see `runtime`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from relook.vision.backbones import Backbone
from relook.vision.descriptor import worst_count
from relook.vision.graph_names import DISTANCE, IMAGE, LOGITS, PATCHES, RESIDUAL, numbered
from relook.vision.images import Size

Array = npt.NDArray[np.float32]

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
REFLECTED = 16
"""Pixels mirrored around the image, so that the network's zero padding does not mark the border; cut off again."""

CONTEXT = 5
"""Side, in cells, of the neighbourhood mean that the mask head sees; taken twice."""
ROWS_AT_ONCE = 256
"""Patches whose products with the bank are held at a time: they then stay in the processor's cache."""
_OPSETS = range(13, 18)


@dataclass(frozen=True, slots=True)
class Projection:
    """embedding = patches @ weight + bias; weight (channels, dims), bias (dims,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class CellNet:
    """A head: relu(x @ weights[0] + biases[0]) and so on, the last layer without relu: a logit per class, background
    first. x is a cell's embedding, its neighbourhood's twice, its distance and, with `coarse`, both once more from the
    first view; see `mask_net.inputs`."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    coarse: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One working size of a model: `bank` (m, dims) and `weight` (cells,), by which distances are multiplied."""

    size: Size
    projection: Projection
    bank: Array
    weight: Array
    head: CellNet | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """Names of a view's embedding (cells, dims) and distance (cells,), and the grid."""

    embedding: str
    distance: str
    cells: Size
    dims: int


@dataclass(frozen=True, slots=True)
class Bank:
    """A memory bank's rows (m, dims), and the names of what distances from them are computed with."""

    rows: Array
    columns: str
    half_squares: str


class Builder:
    """Appends nodes and constants under our own name prefix to a model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.view = 0
        self._count = 0

    def constant(self, value: npt.NDArray[Any]) -> str:
        name = f"relook/constant{self._next()}"
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"relook/{operator.lower()}{self._next()}"
        self.model.graph.node.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def pad(self, source: str, cells: int, mode: str, output: str | None = None) -> str:
        pads = np.array([0, 0, cells, cells, 0, 0, cells, cells], np.int64)
        return self.add("Pad", [source, self.constant(pads)], output, mode=mode)

    def mean_of(self, source: str, side: int) -> str:
        """Mean over side x side cells, the border repeated outwards; same size."""
        padded = self.pad(source, side // 2, "edge")
        return self.add("AveragePool", [padded], kernel_shape=[side, side], strides=[1, 1])

    def plane(self, source: str, cells: Size, channels: int) -> str:
        """(cells, channels) as (1, channels, rows, columns)."""
        square = self.add("Reshape", [source, self.shape(1, cells.height, cells.width, channels)])
        return self.add("Transpose", [square], perm=[0, 3, 1, 2])

    def split(self, source: str, rows: int) -> list[str]:
        """`source` (rows, ..) in parts of at most ROWS_AT_ONCE rows."""
        sizes = [ROWS_AT_ONCE] * (rows // ROWS_AT_ONCE) + ([rows % ROWS_AT_ONCE] if rows % ROWS_AT_ONCE else [])
        if len(sizes) == 1:
            return [source]
        names = [f"relook/part{self._next()}" for _ in sizes]
        self.model.graph.node.append(helper.make_node("Split", [source, self.shape(*sizes)], names, axis=0))
        return names

    def shape(self, *sides: int) -> str:
        return self.constant(np.array(sides, np.int64))

    def _next(self) -> int:
        self._count += 1
        return self._count


def grid(backbone: Backbone, size: Size) -> Size:
    """Rows and columns of patches."""
    stride = backbone.layers[0].stride
    return Size(size.height // stride, size.width // stride)


def feature_model(backbone: Backbone, size: Size) -> onnx.ModelProto:
    """Input `image0` uint8 (1, h, w, 3); output `relook/patches0` float32 (rows * columns, channels)."""
    builder, nodes, source = opened(backbone)
    patches, _ = features(builder, nodes, source, backbone, size)
    set_outputs(builder.model, {patches: [None, backbone.channels]})
    return builder.model


def full_model(backbone: Backbone, views: Sequence[View]) -> onnx.ModelProto:
    """For each view: `distance` (n,) of each patch to the nearest of the bank, weighted, `residual` (k, dims) of the k
    farthest patches from theirs and, with a head, `logits` (n, classes)."""
    builder, nodes, source = opened(backbone)
    outputs: dict[str, list[int | None]] = {}
    first: _Seen | None = None
    for builder.view, view in enumerate(views):
        patches, cells = features(builder, nodes, source, backbone, view.size)
        product = builder.add("MatMul", [patches, builder.constant(view.projection.weight)])
        embedding = builder.add("Add", [product, builder.constant(view.projection.bias)])
        distance, residual = _nearest(builder, embedding, view, cells)
        outputs |= {distance: [None], residual: [None, int(view.bank.shape[1])]}
        seen = _Seen(embedding, distance, cells, int(view.bank.shape[1]))
        first = first or seen
        if view.head is not None:
            coarse = first if view.head.coarse else None
            outputs[_logits(builder, seen, view.head, coarse)] = [None, int(view.head.weights[-1].shape[1])]
    set_outputs(builder.model, outputs)
    return builder.model


def input_model(size: Size) -> onnx.ModelProto:
    """Input `image0` as that of `feature_model`; output `input`, what the backbone is given: float32 (1, 3, h, w) with
    a rim of REFLECTED mirrored pixels."""
    opset = helper.make_opsetid("", _OPSETS[-1])
    builder = Builder(helper.make_model(helper.make_graph([], "input", [], []), opset_imports=[opset], ir_version=8))
    _image_input(builder, size, "input")
    set_outputs(builder.model, {"input": [1, 3, None, None]})
    return builder.model


def opened(backbone: Backbone) -> tuple[Builder, list[onnx.NodeProto], str]:
    """An empty graph with the backbone's constants, the backbone's nodes, and the name of its input."""
    model = prepared(backbone)
    source = model.graph.input[0].name
    nodes = list(model.graph.node)
    del model.graph.node[:]
    del model.graph.input[:]
    return Builder(model), nodes, source


def features(
    builder: Builder, nodes: Sequence[onnx.NodeProto], source: str, backbone: Backbone, size: Size
) -> tuple[str, Size]:
    """The name of the view's patches and their grid."""
    shared = {entry.name for entry in builder.model.graph.initializer} | {""}
    _image_input(builder, size, _own(source, builder.view, shared))
    builder.model.graph.node.extend(_renamed(node, builder.view, shared) for node in nodes)
    cells = grid(backbone, size)
    maps = [
        _layer(builder, _own(layer.output, builder.view, shared), layer.stride, size, cells)
        for layer in backbone.layers
    ]
    joined = builder.add("Concat", maps, axis=1) if len(maps) > 1 else maps[0]
    last = builder.add("Transpose", [joined], perm=[0, 2, 3, 1])
    rows = builder.shape(cells.height * cells.width, backbone.channels)
    return builder.add("Reshape", [last, rows], numbered(PATCHES, builder.view)), cells


def _own(name: str, view: int, shared: set[str]) -> str:
    """A view's name of a backbone tensor; constants are shared by all views."""
    return name if name in shared else f"view{view}/{name}"


def _renamed(node: onnx.NodeProto, view: int, shared: set[str]) -> onnx.NodeProto:
    """The node for one view, inner graphs (of If and Loop) included."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"view{view}/{node.name}" if node.name else ""
    copy.input[:] = [_own(name, view, shared) for name in node.input]
    copy.output[:] = [_own(name, view, shared) for name in node.output]
    for attribute in copy.attribute:
        single = [attribute.g] if attribute.HasField("g") else []  # touching an absent one would make it be there
        for inner in (*single, *attribute.graphs):
            constants = shared | {entry.name for entry in inner.initializer}
            for entry in (*inner.input, *inner.output):
                entry.name = _own(entry.name, view, constants)
            renamed = [_renamed(each, view, constants) for each in inner.node]
            del inner.node[:]
            inner.node.extend(renamed)
    return copy


def prepared(backbone: Backbone) -> onnx.ModelProto:
    """Its graph at an opset of ours, for any image size, with the image as its only input."""
    model = onnx.load_model_from_string(backbone.onnx)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset not in _OPSETS:
        model = version_converter.convert_version(model, _OPSETS[-1])
    constants = {entry.name for entry in model.graph.initializer}
    images = [entry for entry in model.graph.input if entry.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(images)
    del model.graph.value_info[:]  # shapes for another image size
    model.producer_name, model.doc_string = "relook", ""
    return model


def _image_input(builder: Builder, size: Size, target: str) -> None:
    """The view's input, and from it `target`: what the backbone is given."""
    image = numbered(IMAGE, builder.view)
    shape = [1, size.height, size.width, 3]
    builder.model.graph.input.append(helper.make_tensor_value_info(image, TensorProto.UINT8, shape))
    mean = (255 * np.array(MEAN, np.float32)).reshape(1, 3, 1, 1)
    gain = (1 / (255 * np.array(DEVIATION, np.float32))).reshape(1, 3, 1, 1)
    channels = builder.add("Transpose", [image], perm=[0, 3, 1, 2])
    real = builder.add("Cast", [channels], to=TensorProto.FLOAT)
    centred = builder.add("Sub", [real, builder.constant(mean)])
    builder.pad(builder.add("Mul", [centred, builder.constant(gain)]), REFLECTED, "reflect", target)


def _layer(builder: Builder, output: str, stride: int, size: Size, cells: Size) -> str:
    """A backbone output without the mirrored rim, averaged over 3 x 3 cells, on the common grid."""
    rim = REFLECTED // stride
    ends = builder.shape(rim + size.height // stride, rim + size.width // stride)
    inner = builder.add("Slice", [output, builder.shape(rim, rim), ends, builder.shape(2, 3)])
    smooth = builder.mean_of(inner, 3)
    if Size(size.height // stride, size.width // stride) == cells:
        return smooth
    factor = np.array([1, 1, cells.height * stride / size.height, cells.width * stride / size.width], np.float32)
    return builder.add("Resize", [smooth, "", builder.constant(factor)], mode="linear")


def distances(builder: Builder, embedding: str, bank: Bank, cells: Size) -> str:
    """(cells,) from the nearest row by |e - b|^2 = |e|^2 - 2 (e.b - |b|^2 / 2): the largest bracket belongs to it."""
    count = cells.height * cells.width
    parts = []
    for part in builder.split(embedding, count):
        bracket = builder.add("Sub", [builder.add("MatMul", [part, bank.columns]), bank.half_squares])
        parts.append(builder.add("ReduceMax", [bracket], axes=[1], keepdims=0))
    largest = builder.add("Concat", parts, axis=0) if len(parts) > 1 else parts[0]
    squares = builder.add("ReduceSum", [builder.add("Mul", [embedding, embedding]), builder.shape(1)], keepdims=0)
    twice = builder.add("Mul", [largest, builder.constant(np.float32(2).reshape(1))])
    return builder.add("Sqrt", [builder.add("Relu", [builder.add("Sub", [squares, twice])])])


def residuals(builder: Builder, embedding: str, worst: str, bank: Bank, output: str | None = None) -> str:
    """(k, dims): the patches at `worst` (k,) less their nearest rows. Which these are is asked of no others: finding
    the place of a maximum costs more than the maximum."""
    chosen = builder.add("Gather", [embedding, worst], axis=0)
    bracket = builder.add("Sub", [builder.add("MatMul", [chosen, bank.columns]), bank.half_squares])
    nearest = builder.add("ArgMax", [bracket], axis=1, keepdims=0)
    rows = builder.add("Gather", [builder.constant(bank.rows), nearest], axis=0)
    return builder.add("Sub", [chosen, rows], output)


def bank_of(builder: Builder, rows: Array) -> Bank:
    """The constants for a memory bank (m, dims)."""
    half_squares = (np.square(rows).sum(1) / 2).astype(np.float32)
    return Bank(rows, builder.constant(np.ascontiguousarray(rows.T)), builder.constant(half_squares))


def _nearest(builder: Builder, embedding: str, view: View, cells: Size) -> tuple[str, str]:
    """The names of a view's weighted distances and of its worst patches' residuals."""
    bank = bank_of(builder, view.bank)
    plain = distances(builder, embedding, bank, cells)
    distance = builder.add("Mul", [plain, builder.constant(view.weight)], numbered(DISTANCE, builder.view))
    worst = numbered("relook/worst", builder.view)
    values = numbered("relook/worst_values", builder.view)  # which nobody reads, but the format wants named
    top = helper.make_node("TopK", [distance, builder.shape(worst_count(cells.height * cells.width))], [values, worst])
    builder.model.graph.node.append(top)
    return distance, residuals(builder, embedding, worst, bank, numbered(RESIDUAL, builder.view))


def _logits(builder: Builder, seen: _Seen, head: CellNet, coarse: _Seen | None) -> str:
    """The first layer is taken apart: what it makes of a neighbourhood's mean is the mean of what it makes of the
    cells, and so with what is interpolated; both then work on fewer values."""
    dims, cells, hidden = seen.dims, seen.cells, int(head.weights[0].shape[1])
    own, near, wide, column, rest = np.split(head.weights[0], (dims, 2 * dims, 3 * dims, 3 * dims + 1))
    plain, closer, farther = (
        builder.plane(builder.add("MatMul", [seen.embedding, builder.constant(part)]), cells, hidden)
        for part in (own, near, wide)
    )
    around = builder.mean_of(builder.add("Add", [closer, builder.mean_of(farther, CONTEXT)]), CONTEXT)
    total = builder.add("Add", [plain, around])
    if coarse is not None:
        total = builder.add("Add", [total, _enlarged(builder, coarse, rest, cells)])
    last = builder.add("Transpose", [total], perm=[0, 2, 3, 1])
    values = builder.add("Reshape", [last, builder.shape(cells.height * cells.width, hidden)])
    distance = builder.add("Reshape", [seen.distance, builder.shape(cells.height * cells.width, 1)])
    values = builder.add("Add", [values, builder.add("MatMul", [distance, builder.constant(column)])])
    for at, bias in enumerate(head.biases):
        if at:
            values = builder.add("MatMul", [builder.add("Relu", [values]), builder.constant(head.weights[at])])
        name = numbered(LOGITS, builder.view) if at == len(head.biases) - 1 else None
        values = builder.add("Add", [values, builder.constant(bias)], name)
    return values


def _enlarged(builder: Builder, coarse: _Seen, weight: Array, cells: Size) -> str:
    """What the first layer makes of the coarse view, on the grid `cells`: (1, hidden, rows, columns)."""
    grid, hidden = coarse.cells, int(weight.shape[1])
    product = builder.add("MatMul", [coarse.embedding, builder.constant(weight[: coarse.dims])])
    column = builder.add("Reshape", [coarse.distance, builder.shape(grid.height * grid.width, 1)])
    distance = builder.add("MatMul", [column, builder.constant(weight[coarse.dims :])])
    plane = builder.plane(builder.add("Add", [product, distance]), grid, hidden)
    target = builder.shape(1, hidden, cells.height, cells.width)
    how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return builder.add("Resize", [plane, "", "", target], **how)


def set_outputs(model: onnx.ModelProto, outputs: dict[str, list[int | None]]) -> None:
    del model.graph.output[:]
    for name, shape in outputs.items():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
