"""What a file of weights holds, as a graph and its layers, or why it cannot serve."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from relook.vision import fingerprint, resnet18, runtime, safetensors
from relook.vision.backbones import Layer, WeightsError

ACCEPTED = (
    "accepted are an ONNX file whose one input is an RGB image (1, 3, height, width) of any size and which outputs at "
    "least one feature map of stride 8 or 16, and, as safetensors, torchvision's ResNet-18 and what `relook pretrain` "
    "writes; and for object detectors the published YOLOX-nano (COCO) as ONNX"
)
_PICKLES = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_PROBE = (128, 160)
"""Height and width to try a graph at: unequal, so that swapped axes show."""


def understand(raw: bytes, name: str) -> tuple[bytes, tuple[Layer, ...]]:
    """The ONNX graph in `raw`, the content of what messages call `name`, and its layers. Raises WeightsError."""
    if raw.startswith(_PICKLES):
        raise WeightsError(
            f"{name} is a pickle or zip (a .pt or .pth file), which could run code and is never opened; {ACCEPTED}"
        )
    if raw.lstrip()[:1] == b"<":
        raise WeightsError(f"{name} is a web page, no file of weights; {ACCEPTED}")
    content, layers = _from_safetensors(raw, name) if safetensors.looks_like(raw) else (raw, _layers_of(raw, name))
    _check_features(content, layers, name)
    return content, layers


def _check_features(content: bytes, layers: tuple[Layer, ...], name: str) -> None:
    """Weights must be numbers, and so must features on a test picture, and not all of a layer the same; WeightsError.

    Both are asked, for a ReLU may make zero of what is no number. A single infinite constant may be a bound.
    """
    for entry in _tensors(onnx.load_model_from_string(content).graph):
        if entry.data_type in _FLOATS and entry.dims and not np.isfinite(numpy_helper.to_array(entry)).all():
            raise WeightsError(
                f"{entry.name} of {name} holds values that are no numbers (NaN or infinite): it is damaged; {ACCEPTED}"
            )
    try:
        found = fingerprint.take(content, layers)
    except RuntimeError as error:
        raise WeightsError(f"{name} does not run on an RGB image ({_reason(error)}); {ACCEPTED}") from error
    for stride, groups in found.items():
        if not np.isfinite(groups).all():
            fault = "are no numbers (NaN or infinite) on a test picture: its weights are damaged"
        elif not any(deviation for _, deviation in groups):
            fault = "are the same everywhere on a test picture: nothing could be learned from them"
        else:
            continue
        raise WeightsError(f"the features of {name} at stride {stride} {fault}; {ACCEPTED}")


def _from_safetensors(raw: bytes, name: str) -> tuple[bytes, tuple[Layer, ...]]:
    try:
        state = safetensors.read(raw)
        weights = resnet18.fold(state) if "bn1.weight" in state else resnet18.folded(state)
        return resnet18.build(weights), resnet18.layers(weights)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(f"{name} is a safetensors file but not of a ResNet-18 ({error}); {ACCEPTED}") from error


def _layers_of(raw: bytes, name: str) -> tuple[Layer, ...]:
    """The outputs to use: one of stride 8 and one of stride 16 where both are there."""
    try:
        model = onnx.load_model_from_string(raw)
    except Exception as error:  # protobuf raises several unrelated types
        raise WeightsError(f"{name} is not an ONNX file; {ACCEPTED}") from error
    if any(entry.data_location == TensorProto.EXTERNAL for entry in _tensors(model.graph)):
        raise WeightsError(f"{name} keeps its weights in other files; save it as one file. {ACCEPTED}")
    constants = {entry.name for entry in model.graph.initializer}
    inputs = [entry.name for entry in model.graph.input if entry.name not in constants]
    if len(inputs) != 1:
        raise WeightsError(f"{name} has {len(inputs)} inputs; {ACCEPTED}")
    found = {}
    for output, sides in _feature_maps(raw, name):
        for stride in (8, 16):
            if sides[2:] == [side // stride for side in _PROBE]:
                found[stride] = Layer(output, stride, int(sides[1]))  # of several, the deepest is last
    if not found:
        raise WeightsError(f"{name} outputs no feature map of stride 8 or 16; {ACCEPTED}")
    return tuple(found[stride] for stride in sorted(found))


def _feature_maps(raw: bytes, name: str) -> list[tuple[str, list[int]]]:
    """Every output with its shape for an image of _PROBE's size; [] where that is not known beforehand."""
    try:
        loaded = runtime.read(raw)
        declared = loaded.inputs[0].get_partial_shape()
        if len(declared) != 4 or (declared[1].is_static and declared[1].get_length() != 3):
            raise WeightsError(f"{name} has an input of shape {declared}; {ACCEPTED}")
        loaded.reshape([1, 3, *_PROBE])
        shapes = [(out.get_any_name(), out.get_partial_shape()) for out in loaded.outputs]
    except RuntimeError as error:
        raise WeightsError(f"{name} does not take an RGB image of free size ({_reason(error)}); {ACCEPTED}") from error
    return [(output, list(shape.get_max_shape()) if shape.is_static else []) for output, shape in shapes]


def _reason(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Every constant, those of nodes and of graphs inside nodes included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)
