"""Which weights to use, and how a user brings their own.

WeightsError: a file that cannot serve as a backbone; the message says why and what is accepted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from relook.vision import resnet18, runtime
from relook.vision.backbones import Backbone, Layer

FOLDER = "weights"
LARGEST_FILE = 200 * 1024 * 1024
RANDOM_SEED = 20_201_120
_ACCEPTED = (
    "accepted are an ONNX file whose one input is an RGB image (1, 3, height, width) of any size and which outputs at "
    "least one feature map of stride 8 or 16, and torchvision's ResNet-18 as safetensors"
)
_PROBE = (128, 160)
"""Height and width to try a graph at: unequal, so that swapped axes show."""


class WeightsError(Exception):
    """The file is no usable backbone."""


@dataclass(frozen=True, slots=True)
class ImportedWeights:
    """What an import left in the data folder."""

    name: str
    sha256: str
    path: Path
    layers: tuple[Layer, ...]


def choose(data: Path) -> Backbone:
    """The weights imported last into the data folder, else random ones with a warning. Raises WeightsError when an
    imported file was altered since."""
    cards = _cards(data)
    if not cards:
        return random_backbone()
    card = max(cards, key=lambda entry: int(entry["order"]))
    content = (data / FOLDER / f"{card['sha256']}.onnx").read_bytes()
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise WeightsError(f"the imported weights {card['name']} were altered on disk; import the file again")
    layers = tuple(Layer(**entry) for entry in card["layers"])
    return Backbone(card["name"], content, layers, f"imported, sha256 {card['sha256'][:12]}")


def random_backbone() -> Backbone:
    """ResNet-18 with seeded random filters: always there, and clearly worse.

    Its warning goes into the artifact, whose bytes must not depend on where the data folder lies: it names none.
    """
    warning = (
        "No pretrained weights are there: features come from fixed random filters, and accuracy suffers. "
        "Import an ImageNet ResNet-18 with `relook weights import FILE --data DIR` (DIR: this server's data folder) "
        "and train again."
    )
    content = resnet18.build(resnet18.random_weights(RANDOM_SEED))
    return Backbone("resnet18-random", content, resnet18.LAYERS, f"random, seed {RANDOM_SEED}", warning)


def import_weights(file: Path, data: Path) -> ImportedWeights:
    """Check `file`, copy it into `data` (made if absent) and make it what `choose` takes. Raises WeightsError."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise WeightsError(f"{file} is larger than {LARGEST_FILE // 2**20} MB; {_ACCEPTED}")
        raw = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror or error}") from error
    content, layers = _understand(raw, file)
    digest = hashlib.sha256(content).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip(".-") or "weights"
    folder = data / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{digest}.onnx"
        _write(path, content)
        card = {
            "name": name,
            "sha256": digest,
            "source_sha256": hashlib.sha256(raw).hexdigest(),
            "order": 1 + max((int(entry["order"]) for entry in _cards(data)), default=0),
            "layers": [{"output": each.output, "stride": each.stride, "channels": each.channels} for each in layers],
        }
        _write(folder / f"{digest}.json", json.dumps(card, indent=1).encode() + b"\n")
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror or error}") from error
    return ImportedWeights(name, digest, path, layers)


def _cards(data: Path) -> list[dict[str, Any]]:
    """Cards of all imports; one is written after its graph, so that each names a whole file."""
    cards = []
    for path in sorted((data / FOLDER).glob("*.json")):
        try:
            card = json.loads(path.read_bytes())
            if (data / FOLDER / f"{card['sha256']}.onnx").is_file() and int(card["order"]) and card["layers"]:
                cards.append(card)
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} is damaged; delete it and import the weights again") from error
    return cards


def _understand(raw: bytes, file: Path) -> tuple[bytes, tuple[Layer, ...]]:
    if raw[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise WeightsError(
            f"{file} is a pickle or zip (a .pt or .pth file), which could run code and is never opened; {_ACCEPTED}"
        )
    if len(raw) > 9 and raw[8:9] == b"{" and struct.unpack("<Q", raw[:8])[0] < len(raw):
        return _from_safetensors(raw, file), resnet18.LAYERS
    return raw, _layers_of(raw, file)


def _layers_of(raw: bytes, file: Path) -> tuple[Layer, ...]:
    """The outputs to use: one of stride 8 and one of stride 16 where both are there."""
    try:
        model = onnx.load_model_from_string(raw)
    except Exception as error:  # protobuf raises several unrelated types
        raise WeightsError(f"{file} is not an ONNX file; {_ACCEPTED}") from error
    if any(entry.data_location == onnx.TensorProto.EXTERNAL for entry in _tensors(model.graph)):
        raise WeightsError(f"{file} keeps its weights in other files; save it as one file. {_ACCEPTED}")
    constants = {entry.name for entry in model.graph.initializer}
    inputs = [entry.name for entry in model.graph.input if entry.name not in constants]
    if len(inputs) != 1:
        raise WeightsError(f"{file} has {len(inputs)} inputs; {_ACCEPTED}")
    try:
        loaded = runtime.read(raw)
        declared = loaded.inputs[0].get_partial_shape()
        if len(declared) != 4 or (declared[1].is_static and declared[1].get_length() != 3):
            raise WeightsError(f"{file} has an input of shape {declared}; {_ACCEPTED}")
        loaded.reshape([1, 3, *_PROBE])
        shapes = [(out.get_any_name(), out.get_partial_shape()) for out in loaded.outputs]
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise WeightsError(f"{file} does not take an RGB image of free size ({reason}); {_ACCEPTED}") from error
    found = {}
    for name, shape in shapes:
        sides = list(shape.get_max_shape()) if shape.is_static else []
        for stride in (8, 16):
            if sides[2:] == [side // stride for side in _PROBE]:
                found[stride] = Layer(name, stride, int(sides[1]))  # of several, the deepest is last
    if not found:
        raise WeightsError(f"{file} outputs no feature map of stride 8 or 16; {_ACCEPTED}")
    return tuple(found[stride] for stride in sorted(found))


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant, those of nodes and of graphs inside nodes included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)


def _from_safetensors(raw: bytes, file: Path) -> bytes:
    """Torchvision's ResNet-18: a JSON header with offsets, then the tensors, little-endian."""
    try:
        length = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + length])
        header.pop("__metadata__", None)
        body = memoryview(raw)[8 + length :]
        state = {name: _tensor(entry, body) for name, entry in header.items() if entry["dtype"] in ("F32", "F16")}
        return resnet18.build(resnet18.fold(state))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{file} is a safetensors file but not of torchvision's ResNet-18 ({error}); {_ACCEPTED}"
        ) from error


def _tensor(entry: dict[str, Any], body: memoryview) -> npt.NDArray[np.float32]:
    start, end = (int(offset) for offset in entry["data_offsets"])
    if not 0 <= start <= end <= len(body):
        raise ValueError("a tensor lies outside the file")
    values = np.frombuffer(body[start:end], "<f4" if entry["dtype"] == "F32" else "<f2")
    return values.reshape(entry["shape"]).astype(np.float32)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
