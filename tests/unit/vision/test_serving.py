"""An artifact is served by the predictor that its card asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relook.vision import artifact, serving
from relook.vision.artifact import ArtifactError
from relook.vision.engine import Device, DeviceError
from relook.vision.labelled import FoundLabel, LabelPrediction, LabelTask, Rectangle
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision
from relook.vision.samples import ImageError, ImageFault, Prediction, Sample, Task
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone
from tiny_models import LABELS, SURE, THRESHOLDS, picture, plain, write_classifier, write_detector

RED, BLUE = LABELS


def load(folder: Path) -> serving.Servable:
    return serving.load(folder, 1, Device.CPU)


def test_a_detector_tells_boxes_of_the_image_as_it_is(tmp_path: Path) -> None:
    served = load(write_detector(tmp_path / "model"))
    assert served.engine.name.startswith("OpenVINO ")
    found = served.predict(picture(red=(1, 2)))
    box = Rectangle(32, 64, 32, 32)
    assert found == LabelPrediction(160, 128, (FoundLabel(RED, pytest.approx(SURE, abs=1e-6), THRESHOLDS[0], box),))
    twice = served.predict(plain(255, 0, 0, 320, 256))
    assert isinstance(twice, LabelPrediction)
    assert (twice.width, twice.height) == (320, 256)
    cells = {Rectangle(64 * column, 64 * row, 64, 64) for column in range(5) for row in range(4)}
    assert ({one.box for one in twice.found}, {one.name for one in twice.found}) == (cells, {RED})
    assert served.predict(picture()) == LabelPrediction(160, 128, ())


@pytest.mark.parametrize("task", [LabelTask.SINGLE_LABEL, LabelTask.MULTI_LABEL])
def test_a_classifier_tells_every_label(tmp_path: Path, task: LabelTask) -> None:
    served = load(write_classifier(tmp_path / "model", task))
    logits = np.array([4.0, -4.0])
    scores = 1 / (1 + np.exp(-logits if task is LabelTask.MULTI_LABEL else -2 * logits))
    for colours, names in (((255, 0, 0), (RED, BLUE)), ((0, 0, 255), (BLUE, RED))):
        found = served.predict(plain(*colours))
        assert isinstance(found, LabelPrediction)
        assert (found.width, found.height) == (160, 128)
        assert [one.name for one in found.found] == list(names)
        assert [one.score for one in found.found] == pytest.approx(scores, abs=1e-6)
        assert all(one.box is None for one in found.found)
        assert {one.name: one.threshold for one in found.found} == dict(zip(LABELS, THRESHOLDS, strict=True))


def test_an_anomaly_model_is_served_as_before(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    samples = [
        Sample(f"{bad}-{shade}", lambda bad=bad, shade=shade: plain(200 if bad else shade, shade, shade), bad)
        for bad in (False, True)
        for shade in range(60, 100, 5)
    ]
    train(
        samples, [], task=Task.CLASSIFICATION, classes=(), backbone=random_backbone(), output=folder, seed=1,
        progress=lambda stage, done, of: None, options=Options(Precision.F32, (96,)),
    )  # fmt: skip
    served = load(folder)
    assert isinstance(served, Predictor)
    assert isinstance(served.predict(plain(70, 70, 70)), Prediction)


@pytest.mark.parametrize("write", [write_detector, write_classifier])
def test_an_image_that_is_none_is_refused_by_all(tmp_path: Path, write: object) -> None:
    served = load(write(tmp_path / "model"))  # type: ignore[operator]
    for data, fault in ((b"junk", ImageFault.UNREADABLE), (plain(0, 0, 0, 4097, 300), ImageFault.TOO_LARGE)):
        with pytest.raises(ImageError) as caught:
            served.predict(data)
        assert caught.value.fault is fault


@pytest.mark.parametrize("write", [write_detector, write_classifier])
def test_a_folder_that_is_no_model(tmp_path: Path, write: object) -> None:
    with pytest.raises(ArtifactError, match="not a whole model"):
        load(tmp_path)
    folder = write(tmp_path / "model")  # type: ignore[operator]
    card = json.loads((folder / artifact.CARD).read_bytes())
    for change, words in (
        ({"format": 99}, "format 99"),
        ({"graph_sha256": "0"}, "not the graph"),
        ({"sizes": 1}, "damaged"),
    ):
        (folder / artifact.CARD).write_text(json.dumps(card | change))
        with pytest.raises(ArtifactError, match=words):
            load(folder)
    (folder / artifact.CARD).write_text(json.dumps(card | {"task": "telepathy"}))
    with pytest.raises(ArtifactError):
        load(folder)


def test_no_gpu_is_said_so(tmp_path: Path) -> None:
    from relook.vision.engine import gpu_lacks

    if gpu_lacks() is None:
        pytest.skip("a GPU opens here")
    for name, write in (("boxes", write_detector), ("labels", write_classifier)):
        with pytest.raises(DeviceError, match="device cpu"):
            serving.load(write(tmp_path / name), 1, Device.GPU)
        assert serving.load(tmp_path / name, 1, Device.AUTO).predict(picture(red=(1, 2)))


def _loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of these modules a new process has loaded after running `code`."""
    script = f"import sys\n{code}\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_server_loads_nothing_that_computes_or_decodes() -> None:
    assert _loaded("import relook.app", ("numpy", "PIL", "simplejpeg", "openvino", "onnxruntime", "torch")) == []


@pytest.mark.parametrize("write", [write_detector, write_classifier])
def test_a_unit_loads_nothing_of_training(tmp_path: Path, write: object) -> None:
    folder = write(tmp_path / "model")  # type: ignore[operator]
    code = (
        "from pathlib import Path\nfrom relook.vision import serving\nfrom relook.vision.engine import Device\n"
        f"serving.load(Path({str(folder)!r}), 1, Device.CPU)"
    )
    assert _loaded(code, ("onnx", "scipy", "sklearn", "torch", "onnxruntime", "relook.vision.predict")) == []
