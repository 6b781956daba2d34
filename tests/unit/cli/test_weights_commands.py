"""`relook weights` as a user types it, with a real server on the loopback for `pull`."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from file_host import FileHost, serving
from onnx import TensorProto, helper, numpy_helper

from relook.cli import checks, main
from relook.vision import fingerprint, resnet18, shipped, weights
from relook.vision.backbones import Layer
from relook.vision.detect import architectures, library, starts

IMAGENET = Path(__file__).parents[4] / "shared" / "weights" / "resnet18_imagenet_layer1-3.onnx"
YOLOX = IMAGENET.parent / "yolox_nano_coco" / "yolox_nano.onnx"
LAYERS = (Layer("layer2", 8, 128), Layer("layer3", 16, 256))

Tensors = dict[str, np.ndarray]
shared = pytest.mark.shared
needs_imagenet = pytest.mark.skipif(not IMAGENET.is_file(), reason="needs ../shared/weights")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small random weights in the package's place, and no proxy."""
    shipped.write(
        resnet18.random_weights(1, width=8, heads=True), dict.fromkeys(shipped.CARD, "a test"), tmp_path / "p"
    )
    monkeypatch.setattr(shipped, "source", tmp_path / "p")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def host() -> Iterator[FileHost]:
    with serving(b"") as host:
        yield host


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, arguments)])


def listed(data: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("list", "--data", data, "--json").output)
    return found


def published(folded: Tensors) -> bytes:
    """Folded weights as a hub has them: batch norms apart (here idle ones), counters, and the stages not needed."""
    state: dict[str, np.ndarray] = {"fc.bias": np.zeros(1000, np.float32)}
    for name, shape in resnet18.shapes().items():
        norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        out = shape[0]
        state[f"{name}.weight"] = folded[f"{name}.weight"]
        state[f"{norm}.weight"] = np.full(out, np.sqrt(1 + 1e-5), np.float32)
        state[f"{norm}.bias"] = folded[f"{name}.bias"]
        state[f"{norm}.running_mean"] = np.zeros(out, np.float32)
        state[f"{norm}.running_var"] = np.ones(out, np.float32)
        state[f"{norm}.num_batches_tracked"] = np.array(7, np.int64)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, value in state.items():
        kind = "I64" if value.dtype == np.int64 else "F32"
        header[name] = {"dtype": kind, "shape": value.shape, "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(value.tobytes() for value in state.values())


def imagenet() -> Tensors:
    graph = onnx.load(str(IMAGENET)).graph
    return {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}


def yolox_of_chance() -> bytes:
    """A file with YOLOX-nano's convolutions and no sense in them."""
    nodes, constants = [], []
    for at, layer in enumerate(architectures.yolox_nano(starts.CLASSES).convolutions):
        shape = (16, 12, 3, 3) if layer.name == "stem" else layer.shape
        constants += [numpy_helper.from_array(np.full(shape, 0.1, np.float32), f"w{at}")]
        constants += [numpy_helper.from_array(np.zeros(shape[0], np.float32), f"b{at}")]
        nodes.append(helper.make_node("Conv", [f"x{at}", f"w{at}", f"b{at}"], [f"x{at + 1}"]))
    image = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, 3, 416, 416])
    out = helper.make_tensor_value_info(f"x{len(nodes)}", TensorProto.FLOAT, None)
    content: bytes = helper.make_model(
        helper.make_graph(nodes, "yolox", [image], [out], constants), ir_version=8
    ).SerializeToString()
    return content


def test_a_fresh_folder_has_the_packages_own(data: Path) -> None:
    assert [(entry["name"], entry["kind"], entry["next"]) for entry in listed(data)] == [("relook-s", "shipped", True)]
    assert run("show", "--data", data).output.startswith("relook-s: shipped, sha256 ")
    assert json.loads(run("card", "--data", data).output)["licence"] == "a test"
    assert not data.exists()


def test_the_packages_own_have_one_checksum_wherever_it_is_told(data: Path) -> None:
    digest = hashlib.sha256(shipped.backbone().onnx).hexdigest()
    assert listed(data)[0]["sha256"] == digest
    for told in (run("show", "--data", data), run("list", "--data", data), run("use", "relook-s", "--data", data)):
        assert f"sha256 {digest[:12]}" in told.output
    assert checks.weights(data).found == f"relook-s (shipped, sha256 {digest[:12]})"
    card = json.loads(run("card", "--data", data).output)
    raw = Path(str(shipped.source)) / "relook-s.safetensors"
    assert (card["sha256"], card["source_sha256"]) == (digest, hashlib.sha256(raw.read_bytes()).hexdigest())


def test_what_is_there_is_listed_chosen_and_described(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(resnet18.build(resnet18.random_weights(1, width=4)))
    assert run("import", file, "--data", data).exit_code == 0
    first = listed(data)[0]
    assert (first["name"], first["kind"], first["size"], first["source"], first["next"]) == (
        "mine",
        "imported",
        file.stat().st_size,
        "mine.onnx",
        True,
    )
    lines = run("list", "--data", data).output.splitlines()
    assert [line.split()[:2] for line in lines] == [["*", "mine"], ["relook-s", "shipped"]]
    assert str(first["sha256"])[:12] in lines[0]
    chosen = run("use", "relook-s", "--data", data)
    assert chosen.output.startswith("the next training takes relook-s (shipped, sha256 ")
    assert [entry["next"] for entry in listed(data)] == [False, True]
    card = json.loads(run("card", "mine", "--data", data).output)
    assert (card["name"], card["kind"], card["sha256"]) == ("mine", "imported", first["sha256"])
    assert [layer["channels"] for layer in card["layers"]] == [8, 16]


@pytest.mark.parametrize("command", ["use", "card"])
def test_an_unknown_name_fails_with_those_there_are(data: Path, command: str) -> None:
    result = run(command, "other", "--data", data)
    assert result.exit_code == 1
    assert "no weights are called other; there are: relook-s" in result.output


@shared
@needs_imagenet
def test_the_true_network_is_pulled_and_taken(data: Path, host: FileHost) -> None:
    host.content = published(imagenet())
    host.location = f"http://127.0.0.1:{host.port}/blob"
    pulled = run("pull", "--data", data, "--url", host.url)
    assert pulled.exit_code == 0, pulled.output
    assert pulled.output.startswith("pulled resnet18-imagenet: layer2 (stride 8, 128 channels), layer3 (stride 16")
    first = listed(data)[0]
    assert (first["name"], first["kind"], first["source"], first["next"]) == (
        "resnet18-imagenet",
        "pulled",
        host.url,
        True,
    )
    assert "BSD-3-Clause" in json.loads(run("card", "resnet18-imagenet", "--data", data).output)["licence"]
    backbone = weights.choose(data)
    assert backbone.origin == f"pulled, sha256 {backbone.sha256[:12]}"
    assert fingerprint.difference(backbone.onnx, backbone.layers) is None
    assert sorted(path.suffix for path in (data / "weights").iterdir()) == [".json", ".onnx"]


@shared
@needs_imagenet
def test_a_pull_that_broke_off_goes_on(data: Path, host: FileHost) -> None:
    host.content, host.cut = published(imagenet()), 5_000_000
    broken = run("pull", "--data", data, "--url", host.url)
    assert broken.exit_code == 1
    assert "goes on after the 5000000 bytes that are there" in broken.output
    assert weights.choose(data).name == "relook-s"
    host.cut = None
    assert run("pull", "--data", data, "--url", host.url).exit_code == 0
    assert host.ranges == [None, "bytes=5000000-"]
    assert weights.choose(data).name == "resnet18-imagenet"


@shared
@needs_imagenet
def test_rounding_is_let_pass_and_further_training_is_not() -> None:
    tensors = imagenet()
    rounded = {name: value.astype(np.float16).astype(np.float32) for name, value in tensors.items()}
    assert fingerprint.difference(resnet18.build(rounded), LAYERS) is None
    rng = np.random.default_rng(0)
    moved = {
        name: (value * (1 + 0.02 * rng.standard_normal(value.shape))).astype(np.float32)
        for name, value in tensors.items()
    }
    assert "differ by" in str(fingerprint.difference(resnet18.build(moved), LAYERS))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (published(resnet18.random_weights(1)), "is not torchvision's ImageNet ResNet-18: its features"),
        (resnet18.build(resnet18.random_weights(1, width=32)), "at stride 8 it has 64 channels, not 128"),
        (published(resnet18.random_weights(1))[:-1000], "truncated"),
        (pickle.dumps({"conv1": 1}), "is a pickle or zip"),
        (b"<!doctype html><title>Sign in to this network</title>", "is a web page"),
        (b"", "gave an empty file"),
    ],
    ids=["random", "narrow", "truncated", "pickle", "login page", "nothing"],
)
def test_a_wrong_file_is_refused_and_nothing_stays(data: Path, host: FileHost, content: bytes, reason: str) -> None:
    host.content = content
    result = run("pull", "--data", data, "--url", host.url)
    assert result.exit_code == 1
    assert reason in result.output
    assert host.url in result.output
    assert list((data / "weights").iterdir()) == []
    assert weights.choose(data).name == "relook-s"


@shared
@pytest.mark.skipif(not YOLOX.is_file(), reason="needs ../shared/weights")
def test_the_published_detector_is_pulled_and_taken(data: Path, host: FileHost) -> None:
    host.content, host.cut = YOLOX.read_bytes(), 1_000_000
    assert run("pull", "yolox-nano", "--data", data, "--url", host.url).exit_code == 1
    host.cut = None
    pulled = run("pull", "yolox-nano", "--data", data, "--url", host.url)
    assert pulled.output == f"pulled yolox-nano: YOLOX-nano, for object detectors; sha256 {starts.PUBLISHED}\n"
    assert host.ranges == [None, "bytes=1000000-"]
    start = library.choose(data)
    assert (start.name, start.origin) == ("yolox-nano", f"pulled, sha256 {starts.PUBLISHED[:12]}")
    assert weights.choose(data).name == "relook-s"  # other models go on as before
    [row] = [entry for entry in listed(data) if entry["detector"]]
    assert (row["name"], row["kind"], row["source"], row["next"]) == ("yolox-nano", "pulled", host.url, True)
    card = json.loads(run("card", "yolox-nano", "--data", data).output)
    assert (card["kind"], card["licence"]) == ("pulled", "Apache-2.0 (Megvii, YOLOX 0.1.1rc0)")


def test_another_file_with_the_detectors_convolutions_is_taken_with_a_warning(data: Path, host: FileHost) -> None:
    host.content = yolox_of_chance()
    pulled = run("pull", "yolox-nano", "--data", data, "--url", host.url)
    assert pulled.exit_code == 0, pulled.output
    assert pulled.stdout.startswith("pulled yolox-nano: ")
    assert "not the file that was published" in pulled.stderr
    assert starts.PUBLISHED in pulled.stderr
    assert library.choose(data).name == "yolox-nano"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (resnet18.build(resnet18.random_weights(1, width=4)), "is not the published YOLOX-nano"),
        (b"<!doctype html><title>Sign in to this network</title>", "is a web page"),
    ],
    ids=["another network", "login page"],
)
def test_what_is_no_such_detector_is_refused(data: Path, host: FileHost, content: bytes, reason: str) -> None:
    host.content = content
    result = run("pull", "yolox-nano", "--data", data, "--url", host.url)
    assert (result.exit_code, reason in result.output, host.url in result.output) == (1, True, True)
    assert list((data / "weights").iterdir()) == []
    assert library.choose(data).name == "relook-s"


def test_names_have_addresses_and_others_are_refused(data: Path) -> None:
    result = run("pull", "yolox-tiny", "--data", data)
    assert result.exit_code == 2
    assert "'resnet18-imagenet', 'yolox-nano'" in result.output


def test_a_failed_pull_leaves_the_choice_alone(data: Path, host: FileHost, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(resnet18.build(resnet18.random_weights(1, width=4)))
    run("import", file, "--data", data)
    host.status = 404
    result = run("pull", "--data", data, "--url", host.url)
    assert result.exit_code == 1
    assert f"Error: {host.url} answers 404 Not Found" in result.output
    assert weights.choose(data).name == "mine"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, host: FileHost) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights").write_text("in the way")
    result = run("pull", "--data", tmp_path / "data", "--url", host.url)
    assert result.exit_code == 1
    assert "cannot be written" in result.output
    assert "Traceback" not in result.output
