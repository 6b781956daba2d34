"""What a detector's training starts from: the shipped backbone, or YOLOX-nano from a file that the user imported."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from relook.vision import resnet18, shipped
from relook.vision.backbones import WeightsError
from relook.vision.detect import architectures
from relook.vision.detect.layers import Architecture, Conv

Weights = Mapping[str, npt.NDArray[np.float32]]
"""`NAME.weight` and `NAME.bias` of convolutions, norms folded in."""

CLASSES = 80
"""COCO's, which the published YOLOX-nano tells apart."""
PUBLISHED = "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd"
"""The sha256 of the ONNX file in YOLOX's release 0.1.1rc0."""


@dataclass(frozen=True, slots=True)
class Start:
    """`architecture` gives the network for a number of labels; `weights` what is known of it beforehand.

    `origin` is a phrase for the record; `sha256` is of the file, or of the graph that came with the package.
    """

    name: str
    architecture: Callable[[int], Architecture] = field(repr=False)
    weights: Weights = field(repr=False)
    origin: str
    sha256: str
    warning: str | None = None


def own() -> Start:
    """The shipped backbone, or, in a copy of the package without one, seeded random filters. Raises WeightsError."""
    if shipped.present():
        backbone = shipped.backbone()
        weights = _initialisers(onnx.load_model_from_string(backbone.onnx))
        return _with_backbone(backbone.name, weights, backbone.origin, backbone.sha256)
    weights = resnet18.random_weights(_RANDOM_SEED, architectures.BACKBONE_WIDTH)
    digest = hashlib.sha256(resnet18.build(weights)).hexdigest()
    warning = "No pretrained weights came with this copy of Relook: the detector starts from random filters."
    return _with_backbone("resnet18-random", weights, f"random, seed {_RANDOM_SEED}", digest, warning)


def yolox_nano(raw: bytes, name: str, origin: str) -> Start:
    """From the published ONNX export, whose convolutions stand in a fixed order. Raises WeightsError."""
    graph = onnx.load_model_from_string(raw)
    weights = _published(graph.graph, name)
    return Start(name, architectures.yolox_nano, weights, origin, hashlib.sha256(raw).hexdigest())


def is_yolox_nano(raw: bytes) -> bool:
    """Whether these bytes are an ONNX file with YOLOX-nano's convolutions for COCO, in their order."""
    try:
        model = onnx.load_model_from_string(raw)
    except Exception:  # protobuf raises several unrelated types; what else the file may be is for others to say
        return False
    return _shapes(model.graph) == [_published_shape(conv) for conv in architectures.yolox_nano(CLASSES).convolutions]


_RANDOM_SEED = 20_201_120
_PREDICTIONS = (".classes",)
"""Ends of names of convolutions that are of no use with other labels."""


def _with_backbone(name: str, weights: Weights, origin: str, sha256: str, warning: str | None = None) -> Start:
    width = resnet18.form(weights)[0]
    known = {key: value for key, value in weights.items() if not key.startswith("head")}
    return Start(name, lambda labels: architectures.pyramid(labels, width), known, origin, sha256, warning)


def _published(graph: onnx.GraphProto, name: str) -> dict[str, npt.NDArray[np.float32]]:
    values = {entry.name: entry for entry in graph.initializer}
    wanted = architectures.yolox_nano(CLASSES).convolutions
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    if _shapes(graph) != [_published_shape(conv) for conv in wanted]:
        raise WeightsError(f"{name} is not the published YOLOX-nano for COCO: its convolutions differ")
    found = {}
    for node, conv in zip(nodes, wanted, strict=True):
        if conv.name.endswith(_PREDICTIONS):
            continue
        weight, bias = (np.array(numpy_helper.to_array(values[key]), np.float32) for key in node.input[1:3])
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise WeightsError(f"{name} holds weights that are no numbers (NaN or infinite): the file is damaged")
        found[f"{conv.name}.weight"] = _on_pixels(weight) if conv.name == "stem" else weight
        found[f"{conv.name}.bias"] = bias
    return found


def _on_pixels(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The first convolution, (16, 12, 3, 3) on the pixels of 2 x 2 squares as channels (top left, bottom left, top
    right, bottom right, each blue, green, red), as (16, 3, 6, 6) on red, green and blue pixels."""
    parted = weight.reshape(16, 2, 2, 3, 3, 3)[:, :, :, ::-1]  # out, right, down, colour, row, column
    return np.ascontiguousarray(parted.transpose(0, 3, 4, 2, 5, 1)).reshape(16, 3, 6, 6)


def _published_shape(conv: Conv) -> list[int]:
    return [16, 12, 3, 3] if conv.name == "stem" else list(conv.shape)


def _shapes(graph: onnx.GraphProto) -> list[list[int]]:
    """Of the weights of all convolutions that have weights and biases as constants; of others an empty one."""
    shapes = {entry.name: list(entry.dims) for entry in graph.initializer}
    return [
        shapes.get(node.input[1], []) if len(node.input) == 3 and node.input[2] in shapes else []
        for node in graph.node
        if node.op_type == "Conv"
    ]


def _initialisers(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float32]]:
    return {entry.name: np.array(numpy_helper.to_array(entry), np.float32) for entry in model.graph.initializer}
