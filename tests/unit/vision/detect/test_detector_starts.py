"""Starts of detectors: known by what is in the file, kept in the data folder, listed, chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from relook.cli import main
from relook.vision import resnet18, weights
from relook.vision.backbones import WeightsError
from relook.vision.detect import architectures, library, starts
from relook.vision.detect.layers import Conv


def published(seed: int = 0, conv: Conv | None = None) -> bytes:
    """A file as YOLOX-nano's export is, as far as it is looked at: its convolutions in their order, from chance."""
    rng = np.random.default_rng(seed)
    nodes, constants = [], []
    for at, layer in enumerate(architectures.yolox_nano(starts.CLASSES).convolutions):
        layer = conv if conv is not None and conv.name == layer.name else layer
        shape = (16, 12, 3, 3) if layer.name == "stem" else layer.shape
        constants.append(numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), f"w{at}"))
        constants.append(numpy_helper.from_array(np.zeros(shape[0], np.float32), f"b{at}"))
        nodes.append(helper.make_node("Conv", [f"x{at}", f"w{at}", f"b{at}"], [f"x{at + 1}"]))
    image = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, 3, 416, 416])
    out = helper.make_tensor_value_info(f"x{len(nodes)}", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "yolox", [image], [out], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8).SerializeToString()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, arguments)])


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_first_convolution_reads_the_same_pixels_as_the_published() -> None:
    """Squares of 2 x 2 pixels as channels, blue first, then 3 x 3: written down plainly."""
    raw = published(3)
    kernel = numpy_helper.to_array(onnx.load_model_from_string(raw).graph.initializer[0])
    own = starts.yolox_nano(raw, "a", "b").weights["stem.weight"]
    rng = np.random.default_rng(1)
    image = rng.normal(size=(3, 6, 6))  # red, green, blue
    parts = [image[::-1, down::2, right::2] for right in (0, 1) for down in (0, 1)]
    assert np.allclose((own * image).sum((1, 2, 3)), (kernel * np.concatenate(parts)).sum((1, 2, 3)))


def test_it_is_known_by_its_convolutions_alone() -> None:
    assert starts.is_yolox_nano(published())
    assert not starts.is_yolox_nano(resnet18.build(resnet18.random_weights(1, width=4)))
    assert not starts.is_yolox_nano(b"nothing")
    odd = Conv("dark3.main", "x", 64, 24)
    assert not starts.is_yolox_nano(published(0, odd))
    with pytest.raises(WeightsError, match="not the published YOLOX-nano"):
        starts.yolox_nano(published(0, odd), "odd.onnx", "")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_damaged_file_is_refused(tmp_path: Path, value: float) -> None:
    graph = onnx.load_model_from_string(published())
    weight = numpy_helper.to_array(graph.graph.initializer[8]).copy()
    weight.ravel()[7] = value
    graph.graph.initializer[8].CopyFrom(numpy_helper.from_array(weight, graph.graph.initializer[8].name))
    file = put(tmp_path, "nano.onnx", graph.SerializeToString())
    with pytest.raises(WeightsError, match=r"nano holds weights that are no numbers \(NaN or infinite\)"):
        weights.import_weights(file, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_was_learnt_of_other_labels_is_left_out() -> None:
    known = starts.yolox_nano(published(), "a", "b").weights
    wanted = {conv.name for conv in architectures.yolox_nano(5).convolutions}
    assert wanted - {name.rpartition(".")[0] for name in known} == {f"head{stride}.classes" for stride in (8, 16, 32)}


def test_our_own_start_knows_the_whole_backbone() -> None:
    start = starts.own()
    known = {name.rpartition(".")[0] for name in start.weights}
    convolutions = start.architecture(3).convolutions
    backbone = {conv.name for conv in convolutions if conv.name.startswith(("conv1", "layer"))}
    assert known == backbone
    for conv in convolutions:
        if conv.name in known:
            assert start.weights[f"{conv.name}.weight"].shape == conv.shape


def test_the_commands_keep_list_and_choose_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert library.choose(data).name == "relook-s"
    done = run("import", put(tmp_path, "My detector.onnx", published()), "--data", data)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("imported My-detector: YOLOX-nano, for object detectors; sha256 ")
    assert weights.choose(data).name == "relook-s"  # other models go on as before
    assert library.choose(data).name == "My-detector"
    rows = json.loads(run("list", "--data", data, "--json").output)
    assert [(row["name"], row["next"], row["detector"]) for row in rows] == [
        ("relook-s", True, False),
        ("My-detector", True, True),
    ]
    assert "(object detectors)" in run("list", "--data", data).output
    card = json.loads(run("card", "My-detector", "--data", data).output)
    assert (card["for"], card["source"]) == ("object detectors", "My detector.onnx")
    assert "object detectors start from My-detector: imported" in run("show", "--data", data).output
    assert json.loads(run("show", "--json", "--data", data).output)["detectors"] == "My-detector"


def test_one_can_go_back_and_forth(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for seed in (1, 2):
        run("import", put(tmp_path, f"seed{seed}.onnx", published(seed)), "--data", data)
    assert library.choose(data).name == "seed2"
    assert "next training of an object detector takes seed1" in run("use", "seed1", "--data", data).output
    assert library.choose(data).name == "seed1"
    run("use", "relook-s", "--data", data)
    assert library.choose(data).name == "relook-s"
    run("import", put(tmp_path, "seed2.onnx", published(2)), "--data", data)
    assert library.choose(data).name == "seed2"
    assert len(library.entries(data)) == 2


def test_altered_and_damaged_files_are_named(tmp_path: Path) -> None:
    kept = library.keep(published(), "mine", "mine.onnx", tmp_path)
    kept.path.write_bytes(published(1))
    with pytest.raises(WeightsError, match="mine were altered on disk"):
        library.choose(tmp_path)
    kept.path.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsError, match="is damaged; delete it"):
        library.choose(tmp_path)
    assert run("list", "--data", tmp_path).exit_code == 1
