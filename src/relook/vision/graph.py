"""The ONNX graph of a model: uint8 image in, patch distances, residuals and mask logits out.

The part up to the tensor `patches` runs in the model's precision, the rest always in float32 (see `runtime`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from relook.vision.backbones import Backbone
from relook.vision.descriptor import worst_count
from relook.vision.graph_names import DISTANCE, MASK_LOGITS, PATCHES, RESIDUAL
from relook.vision.images import Size

Array = npt.NDArray[np.float32]

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
REFLECTED = 16
"""Pixels mirrored around the image, so that the network's zero padding does not mark the border; cut off again."""

CONTEXT = 5
"""Side, in cells, of the neighbourhood mean that the mask head sees; taken twice."""
_OPSETS = range(13, 18)


@dataclass(frozen=True, slots=True)
class Projection:
    """embedding = patches @ weight + bias; weight (channels, dims), bias (dims,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class DenseLayers:
    """The mask head: relu(x @ w1 + b1) @ w2 + b2, one logit per class, background first."""

    w1: Array
    b1: Array
    w2: Array
    b2: Array


class _Builder:
    """Appends nodes and constants under our own name prefix to a model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
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
    """Input `image` uint8 (1, h, w, 3); output `relook/patches` float32 (rows * columns, channels)."""
    builder, _ = _features(backbone, size)
    _set_outputs(builder.model, {PATCHES: [None, backbone.channels]})
    return builder.model


def full_model(
    backbone: Backbone, size: Size, projection: Projection, bank: Array, mask_head: DenseLayers | None
) -> onnx.ModelProto:
    """Adds to the features: `distance` (n,) of each patch to the nearest of `bank` (m, dims), `residual` (k, dims) of
    the k farthest patches from theirs and, with a mask head, `mask_logits` (n, classes)."""
    builder, cells = _features(backbone, size)
    product = builder.add("MatMul", [PATCHES, builder.constant(projection.weight)])
    embedding = builder.add("Add", [product, builder.constant(projection.bias)])
    distance = _nearest(builder, embedding, bank, worst_count(cells.height * cells.width))
    dims = int(bank.shape[1])
    outputs: dict[str, list[int | None]] = {distance: [None], RESIDUAL: [None, dims]}
    if mask_head is not None:
        _mask_logits(builder, embedding, distance, cells, mask_head)
        outputs[MASK_LOGITS] = [None, int(mask_head.w2.shape[1])]
    _set_outputs(builder.model, outputs)
    return builder.model


def _features(backbone: Backbone, size: Size) -> tuple[_Builder, Size]:
    model = _prepared(backbone)
    source = model.graph.input[0].name
    nodes = list(model.graph.node)
    del model.graph.node[:]
    builder = _Builder(model)
    _normalise(builder, source)
    model.graph.node.extend(nodes)
    del model.graph.input[:]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, size.height, size.width, 3])
    model.graph.input.append(image)
    cells = grid(backbone, size)
    maps = [_layer(builder, layer.output, layer.stride, size, cells) for layer in backbone.layers]
    joined = builder.add("Concat", maps, axis=1) if len(maps) > 1 else maps[0]
    last = builder.add("Transpose", [joined], perm=[0, 2, 3, 1])
    builder.add("Reshape", [last, builder.shape(cells.height * cells.width, backbone.channels)], PATCHES)
    return builder, cells


def _prepared(backbone: Backbone) -> onnx.ModelProto:
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


def _normalise(builder: _Builder, target: str) -> None:
    mean = (255 * np.array(MEAN, np.float32)).reshape(1, 3, 1, 1)
    gain = (1 / (255 * np.array(DEVIATION, np.float32))).reshape(1, 3, 1, 1)
    channels = builder.add("Transpose", ["image"], perm=[0, 3, 1, 2])
    real = builder.add("Cast", [channels], to=TensorProto.FLOAT)
    centred = builder.add("Sub", [real, builder.constant(mean)])
    builder.pad(builder.add("Mul", [centred, builder.constant(gain)]), REFLECTED, "reflect", target)


def _layer(builder: _Builder, output: str, stride: int, size: Size, cells: Size) -> str:
    """A backbone output without the mirrored rim, averaged over 3 x 3 cells, on the common grid."""
    rim = REFLECTED // stride
    ends = builder.shape(rim + size.height // stride, rim + size.width // stride)
    inner = builder.add("Slice", [output, builder.shape(rim, rim), ends, builder.shape(2, 3)])
    smooth = builder.mean_of(inner, 3)
    if Size(size.height // stride, size.width // stride) == cells:
        return smooth
    factor = np.array([1, 1, cells.height * stride / size.height, cells.width * stride / size.width], np.float32)
    return builder.add("Resize", [smooth, "", builder.constant(factor)], mode="linear")


def _nearest(builder: _Builder, embedding: str, bank: Array, worst: int) -> str:
    """Distances by |e - b|^2 = |e|^2 - 2 (e.b - |b|^2 / 2): the largest bracket belongs to the nearest row.

    Which row that is, is asked of the worst patches only: finding the place of a maximum costs more than the maximum.
    """
    columns = builder.constant(np.ascontiguousarray(bank.T))
    half_squares = builder.constant((np.square(bank).sum(1) / 2).astype(np.float32))
    bracket = builder.add("Sub", [builder.add("MatMul", [embedding, columns]), half_squares])
    largest = builder.add("ReduceMax", [bracket], axes=[1], keepdims=0)
    squares = builder.add("ReduceSum", [builder.add("Mul", [embedding, embedding]), builder.shape(1)], keepdims=0)
    twice = builder.add("Mul", [largest, builder.constant(np.float32(2).reshape(1))])
    positive = builder.add("Relu", [builder.add("Sub", [squares, twice])])
    distance = builder.add("Sqrt", [positive], DISTANCE)
    builder.model.graph.node.append(helper.make_node("TopK", [distance, builder.shape(worst)], ["", "relook/worst"]))
    chosen = builder.add("Gather", [embedding, "relook/worst"], axis=0)
    bracket = builder.add("Sub", [builder.add("MatMul", [chosen, columns]), half_squares])
    nearest = builder.add("ArgMax", [bracket], axis=1, keepdims=0)
    builder.add("Sub", [chosen, builder.add("Gather", [builder.constant(bank), nearest], axis=0)], RESIDUAL)
    return distance


def _mask_logits(builder: _Builder, embedding: str, distance: str, cells: Size, head: DenseLayers) -> None:
    count, dims = cells.height * cells.width, (int(head.w1.shape[0]) - 1) // 3
    square = builder.add("Reshape", [embedding, builder.shape(1, cells.height, cells.width, dims)])
    plane = builder.add("Transpose", [square], perm=[0, 3, 1, 2])
    near = builder.mean_of(plane, CONTEXT)
    wide = builder.mean_of(near, CONTEXT)
    column = builder.add("Reshape", [distance, builder.shape(count, 1)])
    parts = [embedding]
    for context in (near, wide):
        last = builder.add("Transpose", [context], perm=[0, 2, 3, 1])
        parts.append(builder.add("Reshape", [last, builder.shape(count, dims)]))
    inputs = builder.add("Concat", [*parts, column], axis=1)
    first = builder.add("Add", [builder.add("MatMul", [inputs, builder.constant(head.w1)]), builder.constant(head.b1)])
    hidden = builder.add("Relu", [first])
    second = builder.add("MatMul", [hidden, builder.constant(head.w2)])
    builder.add("Add", [second, builder.constant(head.b2)], MASK_LOGITS)


def _set_outputs(model: onnx.ModelProto, outputs: dict[str, list[int | None]]) -> None:
    del model.graph.output[:]
    for name, shape in outputs.items():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
