"""What a finished student becomes: weights, a card, and an honest measure. Nothing here needs torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from relook.vision import resnet18, runtime, safetensors, shipped
from relook.vision.backbones import Layer
from relook.vision.graph import DEVIATION, MEAN
from relook.vision.pretrain import PretrainError, Recipe, finish
from relook.vision.pretrain.pictures import SIDE, picture
from relook.vision.pretrain.quality import explained
from relook.vision.weights import import_weights

RECIPE = Recipe(steps=5, width=8, seed=3)
TEACHER = resnet18.random_weights(1, width=8, heads=True)
LAYERS = resnet18.layers(TEACHER)


class Tensor:
    """As much of torch's as `finish` uses."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def numpy(self) -> np.ndarray:
        return self._values


def state(folded: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """What folds to `folded`: every batch norm has the scale 1 and the bias that the convolution shall have."""
    found: dict[str, np.ndarray] = {"conv1.num_batches_tracked": np.array(7)}
    for name in resnet18.shapes(8, heads=True):
        weight, bias = folded[f"{name}.weight"], folded[f"{name}.bias"]
        found[f"{name}.weight"] = weight
        norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
        found[f"{norm}.bias"] = bias
        if not name.startswith("head"):
            found[f"{norm}.weight"] = np.ones_like(bias)
            found[f"{norm}.running_mean"] = np.zeros_like(bias)
            found[f"{norm}.running_var"] = np.full_like(bias, 1 - 1e-5)
    return {name: Tensor(value) for name, value in found.items()}


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    file = tmp_path / "teacher.onnx"
    file.write_bytes(resnet18.build(TEACHER))
    return file


def test_a_copy_of_the_teacher_explains_it_all_and_the_card_says_so(teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = finish(state(TEACHER), RECIPE, 40, ["a copy"], out, teacher=teacher, minutes=1.5)
    assert path == out / "relook-s.safetensors"
    kept = safetensors.read(path.read_bytes())
    assert all(np.allclose(kept[name], value, atol=1e-3) for name, value in TEACHER.items())
    card = json.loads((out / "relook-s.json").read_bytes())
    assert all(card[key] for key in shipped.CARD)
    shares = card["quality"]["explained_variance"]
    assert shares.keys() == {"layer2", "layer3"}
    assert all(0.999 < share < 1.0001 for share in shares.values())  # not 1: the file has 16 bits
    assert card["quality"]["notes"] == ["a copy"]
    assert card["data"].startswith("40 pictures")
    assert card["seeds"] == {"pictures": 3, "training": 3}
    training = card["training"]
    assert (training["steps"], training["minutes"], training["teacher"]) == (5, 1.5, "teacher.onnx")
    assert len(training["teacher_sha256"]) == 64
    imported = import_weights(path, tmp_path / "data")
    assert [layer.channels for layer in imported.layers] == [128, 256]


def test_the_measure_is_one_less_error_over_variance() -> None:
    student = resnet18.random_weights(2, width=4, heads=True)
    given = resnet18.build(student)
    told = explained(given, LAYERS, resnet18.build(TEACHER), LAYERS, seed=3, first=50, count=3)
    seen = [picture(3, index).astype(np.float32) / 255 for index in (50, 51, 52)]
    images = np.stack([((each - MEAN) / DEVIATION).transpose(2, 0, 1) for each in seen]).astype(np.float32)
    for layer in LAYERS:
        wanted, imitated = (features(onnx, layer, images) for onnx in (resnet18.build(TEACHER), given))
        variance = wanted.astype(np.float64).var((0, 2, 3)).mean()
        error = np.square(wanted.astype(np.float64) - imitated).mean((0, 2, 3)).mean()
        assert told[layer.output] == pytest.approx(1 - error / variance, abs=1e-4)
        assert told[layer.output] < 0.5  # the two have nothing to do with one another


def features(onnx: bytes, layer: Layer, images: np.ndarray) -> np.ndarray:
    model = runtime.read(onnx)
    model.reshape([len(images), 3, SIDE, SIDE])
    request = runtime.compile_model(model, runtime.Precision.F32).create_infer_request()
    request.infer([images])
    return np.array(request.get_tensor(layer.output).data)


def test_the_same_student_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        finish(state(TEACHER), RECIPE, 40, ["measured elsewhere"], tmp_path / name)
    for file in ("relook-s.safetensors", "relook-s.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_card_without_a_word_on_quality_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="says nothing of quality"):
        finish(state(TEACHER), RECIPE, 40, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_state_that_is_not_the_recipes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has width 8, not 16"):
        finish(state(TEACHER), Recipe(5, width=16), 40, ["x"], tmp_path / "out")
    broken = {name: value for name, value in state(TEACHER).items() if name != "layer3.0.bn2.running_var"}
    with pytest.raises(ValueError, match=r"no student's state.*layer3\.0\.bn2\.running_var"):
        finish(broken, RECIPE, 40, ["x"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_teach_is_refused(tmp_path: Path) -> None:
    narrow = tmp_path / "narrow.onnx"
    narrow.write_bytes(resnet18.build(resnet18.random_weights(1, width=4)))
    (tmp_path / "text.onnx").write_text("no network")
    for file, reason in (
        (tmp_path / "absent.onnx", "cannot be read: No such file"),
        (tmp_path / "text.onnx", r"text\.onnx is not an ONNX file"),
        (narrow, r"stride 8 with 128 channels and stride 16 with 256 .* it has layer2: stride 8, 8 channels"),
    ):
        with pytest.raises(PretrainError, match=reason):
            finish(state(TEACHER), RECIPE, 40, ["x"], tmp_path / "out", teacher=file)
