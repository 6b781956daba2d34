"""A trained network as the ONNX graph that is served: uint8 pixels in, boxes out, suppression of overlaps included.

Input `image` uint8 (1, height, width, 3) RGB. Outputs, surest first: `boxes` float32 (n, 4) left, top, right, bottom
in pixels of the input, `scores` (n,) in 0..1, `labels` int64 (n,) positions. The maps named `relook/raw..` part the
network from what follows: it may run in bf16, coordinates may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from relook.vision.detect.layers import IMAGE, Act, Architecture, Conv, Enlarge, Join, Layer, Level, Pool, Sum
from relook.vision.detect.names import INPUT, OUTPUTS, RAW
from relook.vision.images import Size

OVERLAP = 0.6
"""Of two boxes of one label that overlap by more than this, the surer one stays."""
LOWEST_SCORE = 0.01
MOST_BOXES = 300
OPSET = 17
_LARGEST_LOGARITHM = 8.0


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._count = 0

    def add(self, operator: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        name = output or self._name(operator.lower())
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: npt.NDArray[Any], name: str | None = None) -> str:
        name = name or self._name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def _name(self, what: str) -> str:
        self._count += 1
        return f"relook/{what}{self._count}"


def export(architecture: Architecture, weights: Mapping[str, npt.NDArray[np.float32]], size: Size) -> bytes:
    """`weights` holds every convolution, norms folded in. The same arguments give the same bytes."""
    graph = _Graph()
    _image(graph, architecture)
    for layer in architecture.layers:
        _layer(graph, layer, weights)
    levels = [_level(graph, level, architecture, size) for level in architecture.levels]
    logits = graph.add("Concat", [score for score, _ in levels], axis=2)
    corners = graph.add("Concat", [box for _, box in levels], axis=1)
    _suppress(graph, graph.add("Sigmoid", [logits]), corners)
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, size.height, size.width, 3])
    boxes, scores, labels = OUTPUTS
    outputs = [
        helper.make_tensor_value_info(boxes, TensorProto.FLOAT, ["n", 4]),
        helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["n"]),
        helper.make_tensor_value_info(labels, TensorProto.INT64, ["n"]),
    ]
    made = helper.make_graph(graph.nodes, architecture.name, [image], outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "relook"
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _image(graph: _Graph, architecture: Architecture) -> None:
    channels = graph.add("Transpose", [INPUT], perm=[0, 3, 1, 2])
    real = graph.add("Cast", [channels], to=TensorProto.FLOAT)
    mean = np.array(architecture.mean, np.float32).reshape(1, 3, 1, 1)
    gain = 1 / np.array(architecture.deviation, np.float32).reshape(1, 3, 1, 1)
    centred = graph.add("Sub", [real, graph.constant(mean)])
    graph.add("Mul", [centred, graph.constant(gain)], _tensor(IMAGE))


def _layer(graph: _Graph, layer: Layer, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    target = _tensor(layer.name)
    if isinstance(layer, Conv):
        _convolution(graph, layer, weights, target)
    elif isinstance(layer, Pool):
        sides, pads = [layer.kernel] * 2, [layer.kernel // 2] * 4
        graph.add("MaxPool", [_tensor(layer.source)], target, kernel_shape=sides, strides=[layer.stride] * 2, pads=pads)
    elif isinstance(layer, Enlarge):
        factor = graph.constant(np.array([1, 1, 2, 2], np.float32))
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        graph.add("Resize", [_tensor(layer.source), "", factor], target, **how)
    elif isinstance(layer, Join):
        graph.add("Concat", [_tensor(name) for name in layer.sources], target, axis=1)
    else:
        _sum(graph, layer, target)


def _convolution(graph: _Graph, conv: Conv, weights: Mapping[str, npt.NDArray[np.float32]], target: str) -> None:
    inputs = [_tensor(conv.source)]
    inputs += [graph.constant(weights[f"{conv.name}.{kind}"], f"{conv.name}.{kind}") for kind in ("weight", "bias")]
    plain = graph.add(
        "Conv",
        inputs,
        target if conv.act is Act.NONE else None,
        kernel_shape=[conv.kernel] * 2,
        strides=[conv.stride] * 2,
        pads=[conv.pad] * 4,
        group=conv.groups,
    )
    if conv.act is Act.SILU:
        graph.add("Mul", [plain, graph.add("Sigmoid", [plain])], target)
    elif conv.act is Act.RELU:
        graph.add("Relu", [plain], target)


def _sum(graph: _Graph, layer: Sum, target: str) -> None:
    inputs = [_tensor(name) for name in layer.sources]
    if layer.act is Act.RELU:
        graph.add("Relu", [graph.add("Add", inputs)], target)
    else:
        graph.add("Add", inputs, target)


def _level(graph: _Graph, level: Level, architecture: Architecture, size: Size) -> tuple[str, str]:
    """The names of a level's logits (1, labels, cells) and boxes (1, cells, 4)."""
    rows, columns = size.height // level.stride, size.width // level.stride
    cells, labels = rows * columns, _labels(architecture)
    score = graph.add("Add", [_tensor(level.classes), _tensor(level.objectness)], f"{RAW}/scores{level.stride}")
    box = graph.add("Identity", [_tensor(level.box)], f"{RAW}/boxes{level.stride}")
    score = graph.add("Reshape", [score, graph.integers(1, labels, cells)])
    flat = graph.add("Reshape", [box, graph.integers(1, 4, cells)])
    y, x = np.mgrid[:rows, :columns].reshape(2, -1).astype(np.float32)
    shift = graph.add("Slice", [flat, graph.integers(0), graph.integers(2), graph.integers(1)])
    centre = graph.add("Add", [shift, graph.constant(np.stack([x, y])[None])])
    sides = graph.add("Slice", [flat, graph.integers(2), graph.integers(4), graph.integers(1)])
    limits = [graph.constant(np.array(value, np.float32)) for value in (-_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)]
    sides = graph.add("Exp", [graph.add("Clip", [sides, *limits])])
    half = graph.add("Mul", [sides, graph.constant(np.float32(0.5).reshape(1))])
    corners = graph.add("Concat", [graph.add("Sub", [centre, half]), graph.add("Add", [centre, half])], axis=1)
    pixels = graph.add("Mul", [corners, graph.constant(np.float32(level.stride).reshape(1))])
    return score, graph.add("Transpose", [pixels], perm=[0, 2, 1])


def _suppress(graph: _Graph, scores: str, boxes: str) -> None:
    """Label by label, then the surest of all labels together."""
    most = graph.integers(MOST_BOXES)
    limits = [graph.constant(np.array([value], np.float32)) for value in (OVERLAP, LOWEST_SCORE)]
    chosen = graph.add("NonMaxSuppression", [boxes, scores, most, *limits])
    label = graph.add("Gather", [chosen, graph.constant(np.array(1, np.int64))], axis=1)
    cell = graph.add("Gather", [chosen, graph.constant(np.array(2, np.int64))], axis=1)
    place = graph.add("Concat", [graph.add("Unsqueeze", [each, graph.integers(1)]) for each in (label, cell)], axis=1)
    score = graph.add("GatherND", [graph.add("Squeeze", [scores, graph.integers(0)]), place])
    count = graph.add("Min", [graph.add("Shape", [score]), most])
    order = "relook/order"
    graph.nodes.append(helper.make_node("TopK", [score, count], ["scores", order], axis=0))
    kept = graph.add("Gather", [cell, order], axis=0)
    graph.add("Gather", [graph.add("Squeeze", [boxes, graph.integers(0)]), kept], "boxes", axis=0)
    graph.add("Gather", [label, order], "labels", axis=0)


def _labels(architecture: Architecture) -> int:
    name = architecture.levels[0].classes
    return next(conv.out for conv in architecture.convolutions if conv.name == name)


def _tensor(name: str) -> str:
    return f"net/{name}"
