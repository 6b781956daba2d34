"""Which backbones can be fine-tuned."""

from __future__ import annotations

import onnx
from onnx import helper

from relook.vision import graph
from relook.vision.backbones import Backbone

OPERATORS = ("Add", "Clip", "Conv", "Identity", "MaxPool", "Relu")
_KNOWN = {"dilations", "group", "kernel_shape", "pads", "strides", "ceil_mode", "storage_order", "auto_pad"}


def needed(backbone: Backbone) -> tuple[onnx.ModelProto, list[onnx.NodeProto]]:
    """Its graph, and of that the nodes which its layers hang on, in order."""
    model = graph.prepared(backbone)
    wanted, nodes = {layer.output for layer in backbone.layers}, []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            nodes.append(node)
    return model, nodes[::-1]


def why_not(backbone: Backbone) -> str | None:
    """What stands against fine-tuning it, as a phrase; None where nothing does."""
    if backbone.int8 is not None:
        return "its convolutions are in int8"
    model, nodes = needed(backbone)
    constants = {entry.name for entry in model.graph.initializer}
    for node in nodes:
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            return f"its graph has the operator {node.op_type}, which fine-tuning does not know"
        if node.op_type == "Conv" and not set(node.input[1:]) <= constants:
            return f"the weights of its convolution {node.output[0]} are computed, not given"
        if (odd := _odd(node)) is not None:
            return f"its {node.op_type} {node.output[0]} has {odd}, which fine-tuning does not know"
    return None


def _odd(node: onnx.NodeProto) -> str | None:
    """A setting of a convolution or pooling that torch has no like of."""
    told = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    pads, sides = told.get("pads", [0, 0, 0, 0]), told.get("kernel_shape", [1, 1])
    if unknown := sorted(str(name) for name in set(told) - _KNOWN):
        return unknown[0]
    if told.get("auto_pad", b"NOTSET") != b"NOTSET":
        return "auto_pad"
    if len(sides) != 2 or list(pads[:2]) != list(pads[2:]):
        return f"pads {list(pads)}"
    dilated = node.op_type == "MaxPool" and set(told.get("dilations", [1, 1])) != {1}
    if dilated or told.get("ceil_mode", 0) or told.get("storage_order", 0):
        return "dilations" if dilated else "ceil_mode or storage_order"
    return None
