"""ResNet-18 from stem to layer3 (He et al., 2015) as an ONNX graph, at any width, from given or seeded random weights.

The stem has w channels (torchvision: 64), layers 1 to 3 have w, 2w and 4w. A student of another network may end in
heads: 1 x 1 convolutions and a ReLU that bring layers 2 and 3 to the other's 128 and 256 channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from relook.vision.backbones import Layer

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Convolution name (such as `layer2.0.conv1`) + `.weight` and `.bias`, batch norm folded in."""

WIDTH = 64
OPSET = 17
_HEADS = {"head2": ("layer2", 2, 128), "head3": ("layer3", 4, 256)}  # the layer it reads, its widths, channels out
_EPSILON = 1e-5  # torchvision's and torch's batch norm


def shapes(width: int = WIDTH, heads: bool = False) -> dict[str, tuple[int, int, int, int]]:
    """Every convolution: its name and the shape of its weight (out, in, height, width)."""
    table = {"conv1": (width, 3, 7, 7)}
    for stage, inside, out, stride in _stages(width):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            table[f"{name}.conv1"] = (out, inside if block == 0 else out, 3, 3)
            table[f"{name}.conv2"] = (out, out, 3, 3)
        if stride == 2:
            table[f"layer{stage}.0.downsample.0"] = (out, inside, 1, 1)
    if heads:
        table |= {name: (out, times * width, 1, 1) for name, (_, times, out) in _HEADS.items()}
    return table


def layers(weights: Weights) -> tuple[Layer, Layer]:
    """What a graph of these weights outputs: `layer2` (stride 8) and `layer3` (stride 16)."""
    width, heads = form(weights)
    if heads:
        return Layer("layer2", 8, _HEADS["head2"][2]), Layer("layer3", 16, _HEADS["head3"][2])
    return Layer("layer2", 8, 2 * width), Layer("layer3", 16, 4 * width)


def form(weights: Weights) -> tuple[int, bool]:
    """The stem's width, and whether there are heads. KeyError when there is no stem."""
    return weights["conv1.weight"].shape[0], any(f"{name}.weight" in weights for name in _HEADS)


def fold(state: Weights) -> dict[str, npt.NDArray[np.float32]]:
    """Torchvision's state (convolutions and batch norms), of any width, with or without heads, to `Weights`.

    Raises KeyError, which names the tensor, where one is missing or of the wrong shape.
    """
    folded = {}
    for name, shape in shapes(*form(state)).items():
        weight = _shaped(state, f"{name}.weight", shape)
        if name in _HEADS:
            folded[f"{name}.weight"] = weight
            folded[f"{name}.bias"] = _shaped(state, f"{name}.bias", shape[:1])
            continue
        norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        parts = ("weight", "bias", "running_mean", "running_var")
        scale, shift, mean, variance = (_shaped(state, f"{norm}.{part}", shape[:1]) for part in parts)
        with np.errstate(over="ignore", invalid="ignore"):  # who reads files looks at what came of it
            gain = scale / np.sqrt(variance + _EPSILON)
            folded[f"{name}.weight"] = (weight * gain[:, None, None, None]).astype(np.float32)
            folded[f"{name}.bias"] = (shift - mean * gain).astype(np.float32)
    return folded


def folded(weights: Weights) -> dict[str, npt.NDArray[np.float32]]:
    """Exactly the tensors that `build` needs, checked; others are left out. Raises KeyError as `fold` does."""
    found = {}
    for name, shape in shapes(*form(weights)).items():
        found[f"{name}.weight"] = _shaped(weights, f"{name}.weight", shape)
        found[f"{name}.bias"] = _shaped(weights, f"{name}.bias", shape[:1])
    return found


def _shaped(state: Weights, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if state[name].shape != shape:
        raise KeyError(f"{name} has shape {state[name].shape}, not {shape}")
    return state[name]


def random_weights(seed: int, width: int = WIDTH, heads: bool = False) -> dict[str, npt.NDArray[np.float32]]:
    """Gaussian filters of He et al.'s scale: the same on every machine, which a factorisation would not promise.

    The second convolution of a block is damped so that the sum with the shortcut keeps its variance.
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes(width, heads).items():
        gain = 0.5 if name.endswith("conv2") else np.sqrt(2.0)
        scale = gain / np.sqrt(np.prod(shape[1:]))
        weights[f"{name}.weight"] = (rng.standard_normal(shape) * scale).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return weights


def build(weights: Weights) -> bytes:
    """The serialised ONNX model: input `input` (n, 3, h, w), outputs as `layers` says. The same weights, in the same
    order, give the same bytes."""
    width, heads = form(weights)
    nodes = _trunk(width, heads)
    outputs = [
        helper.make_tensor_value_info(layer.output, TensorProto.FLOAT, ["n", layer.channels, None, None])
        for layer in layers(weights)
    ]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "resnet18_layer1-3", [image], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _trunk(width: int, heads: bool) -> list[NodeProto]:
    """All nodes; with heads, those take the outputs' names and the stages below get others."""
    nodes = [
        _convolution("conv1", "input", "stem", 7, 2),
        helper.make_node("Relu", ["stem"], ["stem_on"]),
        helper.make_node("MaxPool", ["stem_on"], ["layer0"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    source = "layer0"
    for stage, _, _, stride in _stages(width):
        end = f"layer{stage}.1" if heads else f"layer{stage}"
        for block in (0, 1):
            target = end if block else f"layer{stage}.0"
            nodes += _block(f"layer{stage}.{block}", source, target, stride if block == 0 else 1)
            source = target
    for name, (layer, _, _) in _HEADS.items() if heads else ():
        nodes.append(_convolution(name, f"{layer}.1", f"{name}.a", 1, 1))
        nodes.append(helper.make_node("Relu", [f"{name}.a"], [layer]))
    return nodes


def _stages(width: int) -> tuple[tuple[int, int, int, int], ...]:
    """Stage, channels in, channels out, stride."""
    return ((1, width, width, 1), (2, width, 2 * width, 2), (3, 2 * width, 4 * width, 2))


def _convolution(name: str, source: str, target: str, kernel: int, stride: int) -> NodeProto:
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
        nodes.append(_convolution(f"{name}.downsample.0", source, shortcut, 1, 2))
    return [
        *nodes,
        _convolution(f"{name}.conv1", source, f"{name}.a", 3, stride),
        helper.make_node("Relu", [f"{name}.a"], [f"{name}.b"]),
        _convolution(f"{name}.conv2", f"{name}.b", f"{name}.c", 3, 1),
        helper.make_node("Add", [f"{name}.c", shortcut], [f"{name}.sum"]),
        helper.make_node("Relu", [f"{name}.sum"], [target]),
    ]
