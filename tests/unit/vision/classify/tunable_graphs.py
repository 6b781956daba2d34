"""Small backbones drawn up by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from relook.vision.backbones import Backbone, Layer

CHANNELS = 8


def convolution(name: str, source: str, inside: int, out: int = CHANNELS, **told: Any) -> NodeProto:
    settings = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]} | told
    return helper.make_node("Conv", [source, f"{name}.weight", f"{name}.bias"], [name], name, **settings)


def stem() -> list[NodeProto]:
    """Down to a stride of 4, at tensor `low`."""
    first = convolution("first", "input", 3)
    return [first, helper.make_node("Relu", ["first"], ["on"]), convolution("low", "on", CHANNELS)]


def backbone(nodes: Sequence[NodeProto], shapes: dict[str, tuple[int, ...]], constants: dict[str, float]) -> Backbone:
    """The nodes' outputs `fine` and `coarse` are its layers; `shapes` are those of the weights of convolutions."""
    rng = np.random.default_rng(6)
    values = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()]
    for name, shape in shapes.items():
        spread = np.sqrt(2 / np.prod(shape[1:]))
        values.append(numpy_helper.from_array(rng.normal(0, spread, shape).astype(np.float32), f"{name}.weight"))
        values.append(numpy_helper.from_array(rng.normal(0, 0.1, shape[0]).astype(np.float32), f"{name}.bias"))
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", CHANNELS, None, None])
        for name in ("fine", "coarse")
    ]
    graph = helper.make_graph(list(nodes), "small", [image], outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    layers = (Layer("fine", 8, CHANNELS), Layer("coarse", 16, CHANNELS))
    return Backbone("small", model.SerializeToString(), layers, "drawn up")


def mobile(**told: Any) -> Backbone:
    """With a convolution of channels apart, as MobileNets have; `told` goes to that."""
    nodes = [
        *stem(),
        convolution("deep", "low", 1, **{"group": CHANNELS} | told),
        helper.make_node("Clip", ["deep", "zero", "six"], ["clipped"]),
        helper.make_node("Identity", ["clipped"], ["fine"]),
        helper.make_node("MaxPool", ["fine"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        convolution("last", "half", CHANNELS, strides=[1, 1]),
        helper.make_node("Add", ["last", "half"], ["coarse"]),
    ]
    apart = CHANNELS // int(told.get("group", CHANNELS))
    full = (CHANNELS, CHANNELS, 3, 3)
    shapes = {"first": (CHANNELS, 3, 3, 3), "low": full, "deep": (CHANNELS, apart, 3, 3), "last": full}
    return backbone(nodes, shapes, {"zero": 0.0, "six": 6.0})
