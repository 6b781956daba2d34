"""ResNet-18 from stem to layer3 (He et al., 2015) as an ONNX graph, from given or seeded random weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from relook.vision.backbones import Layer

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Convolution name (such as `layer2.0.conv1`) + `.weight` and `.bias`, batch norm folded in."""

LAYERS = (Layer("layer2", 8, 128), Layer("layer3", 16, 256))
OPSET = 17
_EPSILON = 1e-5  # torchvision's batch norm
_STAGES = ((1, 64, 64, 1), (2, 64, 128, 2), (3, 128, 256, 2))  # stage, channels in, channels out, stride


def shapes() -> dict[str, tuple[int, int, int, int]]:
    """Every convolution: its name and the shape of its weight (out, in, height, width)."""
    table = {"conv1": (64, 3, 7, 7)}
    for stage, inside, out, stride in _STAGES:
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            table[f"{name}.conv1"] = (out, inside if block == 0 else out, 3, 3)
            table[f"{name}.conv2"] = (out, out, 3, 3)
        if stride == 2:
            table[f"layer{stage}.0.downsample.0"] = (out, inside, 1, 1)
    return table


def fold(state: Weights) -> dict[str, npt.NDArray[np.float32]]:
    """Torchvision's state (convolutions and batch norms) to `Weights`. KeyError names a missing tensor."""
    folded = {}
    for name, shape in shapes().items():
        norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        weight = state[f"{name}.weight"]
        if weight.shape != shape:
            raise KeyError(f"{name}.weight has shape {weight.shape}, not {shape}")
        gain = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + _EPSILON)
        folded[f"{name}.weight"] = (weight * gain[:, None, None, None]).astype(np.float32)
        folded[f"{name}.bias"] = (state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain).astype(np.float32)
    return folded


def random_weights(seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Gaussian filters of He et al.'s scale: the same on every machine, which a factorisation would not promise.

    The second convolution of a block is damped so that the sum with the shortcut keeps its variance.
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes().items():
        gain = 0.5 if name.endswith("conv2") else np.sqrt(2.0)
        scale = gain / np.sqrt(np.prod(shape[1:]))
        weights[f"{name}.weight"] = (rng.standard_normal(shape) * scale).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return weights


def build(weights: Weights) -> bytes:
    """The serialised ONNX model: input `input` (n, 3, h, w), outputs `layer2` (stride 8) and `layer3` (stride 16)."""
    nodes = [
        _convolution("conv1", "input", "stem", 2),
        helper.make_node("Relu", ["stem"], ["stem_on"]),
        helper.make_node("MaxPool", ["stem_on"], ["layer0"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    source = "layer0"
    for stage, _, _, stride in _STAGES:
        for block in (0, 1):
            target = f"layer{stage}" if block else f"layer{stage}.0"
            nodes += _block(f"layer{stage}.{block}", source, target, stride if block == 0 else 1)
            source = target
    outputs = [
        helper.make_tensor_value_info(layer.output, TensorProto.FLOAT, ["n", layer.channels, None, None])
        for layer in LAYERS
    ]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "resnet18_layer1-3", [image], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _convolution(name: str, source: str, target: str, stride: int) -> NodeProto:
    kernel = shapes()[name][2]
    return helper.make_node(
        "Conv",
        [source, f"{name}.weight", f"{name}.bias"],
        [target],
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[kernel // 2] * 4,
    )


def _block(name: str, source: str, target: str, stride: int) -> list[NodeProto]:
    shortcut = source
    nodes = []
    if stride == 2:
        shortcut = f"{name}.shortcut"
        nodes.append(_convolution(f"{name}.downsample.0", source, shortcut, 2))
    return [
        *nodes,
        _convolution(f"{name}.conv1", source, f"{name}.a", stride),
        helper.make_node("Relu", [f"{name}.a"], [f"{name}.b"]),
        _convolution(f"{name}.conv2", f"{name}.b", f"{name}.c", 1),
        helper.make_node("Add", [f"{name}.c", shortcut], [f"{name}.sum"]),
        helper.make_node("Relu", [f"{name}.sum"], [target]),
    ]
