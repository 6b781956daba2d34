"""The backbone that comes with the package: its files, its function, and when it is taken."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from relook.vision import resnet18, runtime, safetensors, shipped, weights
from relook.vision.backbones import Backbone, WeightsError

CARD = dict.fromkeys(shipped.CARD, "a test")
FOLDED = resnet18.random_weights(1, width=8, heads=True)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of the package's own weights, with random ones in it."""
    folder = tmp_path / "package"
    shipped.write(FOLDED, CARD, folder)
    monkeypatch.setattr(shipped, "source", folder)
    return folder


def features(backbone: Backbone, image: np.ndarray) -> dict[str, np.ndarray]:
    model = runtime.read(backbone.onnx)
    model.reshape(list(image.shape))
    request = runtime.compile_model(model, runtime.Precision.F32).create_infer_request()
    request.infer([image])
    return {layer.output: request.get_tensor(layer.output).data.copy() for layer in backbone.layers}


def graph(seed: int, folder: Path) -> Path:
    file = folder / f"seed{seed}.onnx"
    file.write_bytes(resnet18.build(resnet18.random_weights(seed, width=4)))
    return file


def test_the_files_are_small_exact_and_always_the_same(package: Path, tmp_path: Path) -> None:
    path = shipped.write(dict(reversed(FOLDED.items())), CARD, tmp_path / "again")
    assert path.read_bytes() == (package / path.name).read_bytes()
    assert (tmp_path / "again" / "relook-s.json").read_bytes() == (package / "relook-s.json").read_bytes()
    assert {entry.name for entry in package.iterdir()} == {"relook-s.safetensors", "relook-s.json"}
    card = json.loads((package / "relook-s.json").read_bytes())
    assert card["licence"] == "a test"
    assert card["bytes"] == path.stat().st_size
    assert card["parameters"] == sum(value.size for value in FOLDED.values())
    assert card["width"] == 8
    read = safetensors.read(path.read_bytes())
    assert read.keys() == FOLDED.keys()
    for name, value in FOLDED.items():
        assert np.array_equal(read[name], value.astype(np.float16)), name


def test_the_format_is_that_of_safetensors() -> None:
    raw = safetensors.write({"b": np.array([[1.0, -2.0]], np.float32), "a": np.float32([0.5])})
    length = struct.unpack("<Q", raw[:8])[0]
    assert length % 8 == 0
    assert json.loads(raw[8 : 8 + length]) == {
        "a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]},
        "b": {"dtype": "F16", "shape": [1, 2], "data_offsets": [2, 6]},
    }
    assert np.frombuffer(raw[8 + length :], "<f2").tolist() == [0.5, 1.0, -2.0]


def test_heads_give_the_teachers_channels_and_are_computed_as_defined(package: Path) -> None:
    backbone = shipped.backbone()
    assert [(layer.output, layer.stride, layer.channels) for layer in backbone.layers] == [
        ("layer2", 8, 128),
        ("layer3", 16, 256),
    ]
    image = np.random.default_rng(0).normal(0, 1, (1, 3, 64, 96)).astype(np.float32)
    given = features(backbone, image)
    bare = {name: value.astype(np.float16).astype(np.float32) for name, value in FOLDED.items()}
    heads = {name: bare.pop(name) for name in list(bare) if name.startswith("head")}
    trunk = features(Backbone("bare", resnet18.build(bare), resnet18.layers(bare), ""), image)
    for layer, head in (("layer2", "head2"), ("layer3", "head3")):
        mixed = np.einsum("oc,nchw->nohw", heads[f"{head}.weight"][:, :, 0, 0], trunk[layer])
        expected = np.maximum(mixed + heads[f"{head}.bias"][None, :, None, None], 0)
        assert np.allclose(given[layer], expected, atol=1e-5), layer
        assert given[layer].std() > 0.01


def test_a_students_state_is_folded_at_any_width_with_its_heads() -> None:
    rng = np.random.default_rng(0)
    state = {}
    for name, shape in resnet18.shapes(8, heads=True).items():
        state[f"{name}.weight"] = rng.normal(0, 0.1, shape).astype(np.float32)
        norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        for part in ("bias",) if name.startswith("head") else ("weight", "bias", "running_mean"):
            state[f"{norm}.{part}"] = state.get(f"{norm}.{part}", rng.normal(0, 1, shape[0]).astype(np.float32))
        state[f"{norm}.running_var"] = rng.uniform(0.5, 2, shape[0]).astype(np.float32)
    folded = resnet18.fold(state)
    assert np.array_equal(folded["head3.weight"], state["head3.weight"])
    assert folded["layer3.1.conv2.weight"].shape == (32, 32, 3, 3)
    gain = state["layer2.0.downsample.1.weight"] / np.sqrt(state["layer2.0.downsample.1.running_var"] + 1e-5)
    shift = state["layer2.0.downsample.1.bias"] - state["layer2.0.downsample.1.running_mean"] * gain
    assert np.allclose(folded["layer2.0.downsample.0.bias"], shift, atol=1e-6)
    del state["head3.bias"]
    with pytest.raises(KeyError, match=r"head3\.bias"):
        resnet18.fold(state)


@pytest.mark.parametrize("key", shipped.CARD)
def test_a_card_that_keeps_something_back_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=f"says nothing of {key}"):
        shipped.write(FOLDED, {name: value for name, value in CARD.items() if name != key}, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"conv1.bias": np.full(8, 1e6, np.float32)}, r"conv1\.bias holds values"),
        ({"conv1.bias": np.full(8, np.nan, np.float32)}, r"conv1\.bias holds values"),
        ({"head2.bias": np.zeros(3, np.float32)}, r"head2\.bias has shape"),
    ],
)
def test_weights_that_cannot_be_written_exactly_are_refused(
    tmp_path: Path, changes: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        shipped.write({**FOLDED, **changes}, CARD, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_without_a_choice_the_packages_own_are_taken_without_a_warning(package: Path, tmp_path: Path) -> None:
    chosen = weights.choose(tmp_path / "absent")
    assert chosen is shipped.backbone()
    assert (chosen.name, chosen.warning) == ("relook-s", None)
    assert chosen.hint is not None
    assert "relook weights pull" in chosen.hint
    assert not (tmp_path / "absent").exists()


def test_a_copy_without_weights_says_so_and_how_to_do_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "source", tmp_path / "empty")
    first, again = weights.choose(tmp_path / "absent"), weights.choose(tmp_path / "absent")
    assert first.onnx == again.onnx
    assert first.warning is not None
    assert first.warning.startswith("No pretrained weights")  # `relook demo` looks for these words
    assert "relook weights import FILE --data" in first.warning
    assert [entry.kind for entry in weights.entries(tmp_path / "absent")] == [weights.Kind.RANDOM]


@pytest.mark.parametrize("damage", ["weights", "card", "no card"])
def test_damaged_files_are_no_reason_to_fall_back_silently(package: Path, tmp_path: Path, damage: str) -> None:
    if damage == "weights":
        raw = (package / "relook-s.safetensors").read_bytes()
        (package / "relook-s.safetensors").write_bytes(raw[:-1] + b"\x01")
    elif damage == "card":
        (package / "relook-s.json").write_text("{")
    else:
        (package / "relook-s.json").unlink()
    with pytest.raises(WeightsError, match=r"relook-s of this installation .*install Relook again"):
        weights.choose(tmp_path / "data")


def test_the_last_word_of_the_user_decides(package: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    one = weights.import_weights(graph(1, tmp_path), data)
    two = weights.import_weights(graph(2, tmp_path), data)
    assert weights.choose(data).sha256 == two.sha256
    assert weights.use("seed1", data).sha256 == one.sha256
    assert weights.choose(data).sha256 == one.sha256
    weights.use("relook-s", data)
    assert weights.choose(data).name == "relook-s"
    assert weights.use(two.sha256[:8], data).name == "seed2"
    assert [(entry.name, entry.next) for entry in weights.entries(data)] == [
        ("seed2", True),
        ("seed1", False),
        ("relook-s", False),
    ]
    three = weights.import_weights(graph(3, tmp_path), data)
    assert weights.choose(data).sha256 == three.sha256


def test_names_that_are_not_there_or_not_clear_are_told(package: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = weights.import_weights(graph(1, tmp_path), data)
    with pytest.raises(WeightsError, match="no weights are called other; there are: seed1, relook-s"):
        weights.use("other", data)
    (tmp_path / "more").mkdir()
    graph(2, tmp_path).rename(tmp_path / "more" / "seed1.onnx")
    weights.import_weights(tmp_path / "more" / "seed1.onnx", data)
    with pytest.raises(WeightsError, match="several weights are called seed1"):
        weights.use("seed1", data)
    weights.use(first.sha256, data)
    assert weights.choose(data).sha256 == first.sha256


def test_what_pretrain_writes_can_be_imported_elsewhere(package: Path, tmp_path: Path) -> None:
    imported = weights.import_weights(package / "relook-s.safetensors", tmp_path / "data")
    assert imported.sha256 == shipped.backbone().sha256
    assert weights.use("relook-s", tmp_path / "data").kind is weights.Kind.SHIPPED


def test_the_default_needs_no_network(tmp_path: Path) -> None:
    """In a process that dies at its first socket."""
    code = (
        "import sys, pathlib\n"
        "def watch(event, args):\n"
        "    if event.startswith('socket.') or event == 'urllib.Request':\n"
        "        raise SystemExit(f'{event} {args}')\n"
        "sys.addaudithook(watch)\n"
        "from relook.vision import weights\n"
        "print(weights.choose(pathlib.Path(sys.argv[1])).name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.skipif(not shipped.present(), reason="the shipped weights are not in this tree yet")
def test_the_real_files_fit_together() -> None:
    backbone = shipped.backbone()
    assert backbone.warning is None
    assert [layer.stride for layer in backbone.layers] == [8, 16]
    card = shipped.card()
    assert [key for key in shipped.CARD if not card.get(key)] == []
    size = os.path.getsize(str(resources.files(shipped) / "relook-s.safetensors"))
    assert size == card["bytes"] <= shipped.LARGEST
