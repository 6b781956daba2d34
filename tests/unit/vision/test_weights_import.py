from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from relook.vision import resnet18, runtime
from relook.vision.weights import WeightsError, choose, import_weights


def state() -> dict[str, np.ndarray]:
    """Torchvision-like: convolutions without bias, batch norms apart."""
    rng = np.random.default_rng(0)
    found = {}
    for name, shape in resnet18.shapes().items():
        norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        found[f"{name}.weight"] = rng.normal(0, 0.05, shape).astype(np.float32)
        for part in ("weight", "bias", "running_mean"):
            found[f"{norm}.{part}"] = rng.normal(0, 1, shape[0]).astype(np.float32)
        found[f"{norm}.running_var"] = rng.uniform(0.5, 2, shape[0]).astype(np.float32)
    return found


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    header, body = {}, b""
    for name, value in tensors.items():
        data = value.tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


SILENT = {
    f"{stage}_{block}_bn{at}_{part}": 0.0
    for stage in ("layer1", "layer2")
    for block in (0, 1)
    for at in (1, 2)
    for part in ("weight", "bias")
} | {"layer2_0_downsample_1_weight": 0.0, "layer2_0_downsample_1_bias": 0.0}
"""Norms that let nothing through."""


def plain_model(shape: list[int | str], strides: int) -> onnx.ModelProto:
    node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[strides] * 2, strides=[strides] * 2)
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [image], [out])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_an_imported_graph_is_chosen_and_the_last_import_wins(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    for seed, name in ((1, "one"), (2, "two"), (1, "one again")):
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(resnet18.build(resnet18.random_weights(seed)))
        imported = import_weights(file, data)
        chosen = choose(data)
        assert chosen.sha256 == imported.sha256
        assert chosen.warning is None
        assert [layer.stride for layer in chosen.layers] == [8, 16]
    assert choose(data).name == "one-again"


def test_safetensors_are_folded_into_the_same_function(tmp_path: Path) -> None:
    tensors = state()
    file = tmp_path / "resnet18.safetensors"
    file.write_bytes(safetensors(tensors))
    imported = import_weights(file, tmp_path / "data")
    graph = onnx.load_model_from_string(imported.path.read_bytes())
    folded = {entry.name: numpy_helper.to_array(entry) for entry in graph.graph.initializer}
    gain = tensors["bn1.weight"] / np.sqrt(tensors["bn1.running_var"] + 1e-5)
    assert np.allclose(folded["conv1.weight"], tensors["conv1.weight"] * gain[:, None, None, None], atol=1e-6)
    assert np.allclose(folded["conv1.bias"], tensors["bn1.bias"] - tensors["bn1.running_mean"] * gain, atol=1e-5)
    runtime.read(imported.path.read_bytes())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps({"conv1": 1}), "pickle"),
        (b"PK\x03\x04rest", "pickle or zip"),
        (b"nonsense", "not an ONNX file"),
        (b"", "not an ONNX file|inputs"),
        (safetensors({"fc.weight": np.zeros((3, 3), np.float32)}), "not of a ResNet-18"),
        (plain_model([1, 3, 224, 224], 32).SerializeToString(), "no feature map of stride 8 or 16"),
        (plain_model([1, 1, "h", "w"], 8).SerializeToString(), "has an input of shape"),
    ],
)
def test_what_cannot_serve_is_refused_with_what_can(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"(?s)({reason}).*accepted are"):
        import_weights(file, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def damaged(value: float) -> bytes:
    weights = resnet18.random_weights(1)
    weights["layer3.1.conv2.weight"][5, 3, 1, 1] = value
    return resnet18.build(weights)


def unlike(**tensors: float) -> bytes:
    """Torchvision-like, with other values in tensors, whose names have _ for a dot."""
    return safetensors(
        {name: np.full_like(value, tensors.get(name.replace(".", "_"), value)) for name, value in state().items()}
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (damaged(np.nan), "layer3.1.conv2.weight of .* are no numbers"),
        (damaged(np.inf), "layer3.1.conv2.weight of .* are no numbers"),
        (damaged(3e38), "the features of .* at stride 16 are no numbers"),
        (unlike(bn1_running_var=-1.0), "conv1.weight of .* are no numbers"),
        (unlike(layer2_0_bn1_weight=1e30, layer2_0_conv1_weight=1e30), "layer2.0.conv1.weight of .* are no numbers"),
        (
            unlike(conv1_weight=0.0, bn1_bias=0.0, bn1_running_mean=0.0, **SILENT),
            "the features of .* at stride 8 are the same everywhere",
        ),
    ],
)
def test_weights_that_give_no_features_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"(?s){reason}.*accepted are"):
        import_weights(file, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(resnet18.build(resnet18.random_weights(1)))
    onnx.save_model(model, str(tmp_path / "m.onnx"), save_as_external_data=True, location="outside.bin")
    with pytest.raises(WeightsError, match="other files"):
        import_weights(tmp_path / "m.onnx", tmp_path / "data")


def test_a_node_that_reads_another_file_is_refused(tmp_path: Path) -> None:
    model = plain_model([1, 3, "h", "w"], 8)
    value = onnx.TensorProto(name="v", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="../../etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))
    file = tmp_path / "m.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="other files"):
        import_weights(file, tmp_path / "data")


def test_a_missing_file_and_an_altered_import_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        import_weights(tmp_path / "none.onnx", tmp_path / "data")
    file = tmp_path / "a.onnx"
    file.write_bytes(resnet18.build(resnet18.random_weights(1)))
    path = import_weights(file, tmp_path / "data").path
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsError, match="altered"):
        choose(tmp_path / "data")
