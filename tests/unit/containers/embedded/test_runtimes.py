"""The built-in runtimes in real sandboxes."""

from __future__ import annotations

import base64
import io
import json
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from sklearn.linear_model import LinearRegression

import tiny_models
from relook.vision import mask_net
from relook.vision.runtime import Precision
from relook.vision.samples import Sample, Task
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone
from sandboxes import SECONDS, Sandboxes, needs_sandbox

pytestmark = needs_sandbox

OCTETS = {"Content-Type": "application/octet-stream", "Accept": "*/*"}
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}


def picture(seed: int, anomalous: bool, form: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(100, 120, (96, 96, 3), np.uint8)
    if anomalous:
        pixels[40:60, 30:70] = (250, 20, 20)
    room = io.BytesIO()
    Image.fromarray(pixels).save(room, form, quality=95)
    return room.getvalue()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification model that tells a red bar from none."""
    folder = tmp_path_factory.mktemp("vision") / "model"
    samples = [_sample(seed, anomalous) for anomalous in (False, True) for seed in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_net, "STEPS", 100)
        train(
            samples, [], task=Task.CLASSIFICATION, classes=(), backbone=random_backbone(), output=folder, seed=1,
            progress=lambda stage, done, of: None, options=Options(Precision.F32, (96,)),
        )  # fmt: skip
    return folder


def _sample(seed: int, anomalous: bool) -> Sample:
    return Sample(f"{anomalous}-{seed}", lambda: picture(seed + 100 * anomalous, anomalous), anomalous)


def test_vision_answers_for_whatever_image_the_bytes_are(sandboxes: Sandboxes, artifact: Path) -> None:
    running = sandboxes.start(artifact, "vision")
    for anomalous, form in ((False, "PNG"), (True, "JPEG")):
        answer = running.invoke(picture(900, anomalous, form), OCTETS)
        assert answer.headers["Content-Type"] == "application/json"
        assert set(answer.value) == {"Source", "IsAnomalous", "Confidence"}
        assert answer.value["Source"] == {"Type": "direct"}
        assert answer.value["IsAnomalous"] is anomalous
        assert 0 <= answer.value["Confidence"] <= 1
    lines = running.invoke(picture(900, True), {"Content-Type": "image/png", "Accept": "application/jsonlines"})
    assert lines.body.endswith(b"}\n")
    assert running.invoke(b"no image", OCTETS).status == 400
    assert running.invoke("[1]").status == 415
    assert running.invoke(picture(1, False), {"Accept": "image/png"}).status == 415


def test_vision_takes_an_artifact_one_folder_down_and_no_broken_one(sandboxes: Sandboxes, artifact: Path) -> None:
    above = sandboxes.folder / "above"
    (above / "model").mkdir(parents=True)
    for file in artifact.iterdir():
        (above / "model" / file.name).write_bytes(file.read_bytes())
    assert sandboxes.start(above, "vision").invoke(picture(900, True), OCTETS).value["IsAnomalous"] is True
    broken = sandboxes.start(sandboxes.model(model__json=b"{}"), "vision")
    assert broken.container.wait(SECONDS) == 1
    assert "ArtifactError" in str(broken.log)


def test_a_segmentation_answer_has_regions_and_a_mask() -> None:
    from relook.containers.embedded.host.runtimes import vision
    from relook.vision.samples import Prediction, Region

    regions = (Region("background", "#FFFFFF", 0.75), Region("scratch", "#23A436", 0.25))
    prediction = Prediction(0.9, 0.5, True, 0.9, 4, 4, regions, b"png")
    body, content_type = vision.output_fn(prediction, "*/*")
    assert content_type == "application/json"
    assert json.loads(body) == {
        "Source": {"Type": "direct"},
        "IsAnomalous": True,
        "Confidence": 0.9,
        "Anomalies": [
            {"Name": "background", "PixelAnomaly": {"TotalPercentageArea": 0.75, "Color": "#FFFFFF"}},
            {"Name": "scratch", "PixelAnomaly": {"TotalPercentageArea": 0.25, "Color": "#23A436"}},
        ],
        "AnomalyMask": base64.b64encode(b"png").decode(),
    }


def test_vision_answers_for_models_of_labels_as_detect_custom_labels_does(sandboxes: Sandboxes) -> None:
    red = tiny_models.picture(red=(1, 2))
    boxes = sandboxes.start(tiny_models.write_detector(sandboxes.folder / "boxes"), "vision")
    [found] = boxes.invoke(red, OCTETS).value["CustomLabels"]
    assert (found["Name"], found["Confidence"]) == (tiny_models.LABELS[0], 99.33100128173828)
    sides = {"Width": 0.2, "Height": 0.25, "Left": 0.2, "Top": 0.5}
    assert found["Geometry"]["BoundingBox"] == pytest.approx(sides)
    assert boxes.invoke(tiny_models.picture(), OCTETS).value == {"CustomLabels": []}
    assert boxes.invoke(b"no image", OCTETS).status == 400
    whole = sandboxes.start(tiny_models.write_classifier(sandboxes.folder / "whole"), "vision")
    lines = whole.invoke(tiny_models.plain(255, 0, 0), {"Content-Type": "image/png", "Accept": "application/jsonlines"})
    assert lines.value == {"CustomLabels": [{"Name": tiny_models.LABELS[0], "Confidence": 99.96600341796875}]}


def _sums() -> bytes:
    """x (any, 2) and y (any, 2) to total = x + y."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "y", "total")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "y"], ["total"])], "sums", ports[:2], ports[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _doubles() -> bytes:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "twice")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["twice"])], "doubles", ports[:1], ports[1:])
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


def test_onnx_takes_json_csv_and_npy(sandboxes: Sandboxes) -> None:
    running = sandboxes.start(sandboxes.model(model__onnx=_doubles()), "onnx")
    for body in ("[[1, 2], [3, 4]]", '{"x": [[1, 2], [3, 4]]}', '{"instances": [[1, 2], [3, 4]]}'):
        assert running.invoke(body).value == [[2, 4], [6, 8]]
    assert running.invoke("[1, 2]").value == [[2, 4]]
    assert running.invoke("1,2\n3,4\n", CSV).body == b"2.0,4.0\n6.0,8.0\n"
    room = io.BytesIO()
    np.save(room, np.ones((1, 2), np.float32))
    npy = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    assert np.load(io.BytesIO(running.invoke(room.getvalue(), npy).body)).tolist() == [[2, 2]]
    wrong = running.invoke("[[1, 2, 3]]")
    assert (wrong.status, b"does not fit the model, which takes x" in wrong.body) == (400, True)


def test_onnx_with_several_inputs_takes_them_by_name(sandboxes: Sandboxes) -> None:
    running = sandboxes.start(sandboxes.model(other__onnx=_sums()), "onnx")
    assert running.invoke('{"x": [[1, 2]], "y": [[10, 20]]}').value == [[11, 22]]
    assert b"send an object with the members x, y" in running.invoke("[[1, 2]]").body
    assert b"it was given x" in running.invoke('{"x": [[1, 2]]}').body


def test_onnx_without_a_model_says_what_is_missing(sandboxes: Sandboxes) -> None:
    running = sandboxes.start(sandboxes.model(), "onnx")
    assert running.container.wait(SECONDS) == 1
    assert "0 .onnx files and no model.onnx" in str(running.log)


def test_sklearn_unpickles_inside_the_sandbox_and_says_so(sandboxes: Sandboxes) -> None:
    estimator = LinearRegression().fit([[0, 0], [1, 1], [2, 0]], [0, 3, 2])
    running = sandboxes.start(sandboxes.model(model__pkl=pickle.dumps(estimator)), "sklearn")
    assert running.invoke("[[1, 1], [4, 0]]").value == pytest.approx([3, 4])
    assert [float(each) for each in running.invoke("1,1\n", CSV).body.split()] == pytest.approx([3])
    assert running.invoke("[[1, 2, 3]]").status == 400
    running.log.wait_for("model.pkl is a pickle, which runs code")


def test_an_evil_pickle_gets_nowhere(sandboxes: Sandboxes) -> None:
    mark = sandboxes.folder / "mark"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return exec, (f"open({str(mark)!r}, 'w').write('out')",)

    running = sandboxes.start(sandboxes.model(model__pkl=pickle.dumps(Evil())), "sklearn")
    assert running.container.wait(SECONDS) == 1
    assert "FileNotFoundError" in str(running.log)
    assert not mark.exists()


def test_sklearn_takes_an_exported_onnx_model(sandboxes: Sandboxes) -> None:
    running = sandboxes.start(sandboxes.model(model__onnx=_doubles()), "sklearn")
    assert running.invoke("[[1, 2]]").value == [[2, 4]]


def test_handlers_of_the_user_go_before_the_runtimes(sandboxes: Sandboxes) -> None:
    code = "def output_fn(prediction, accept): return str(float(prediction.sum())), 'text/plain'"
    running = sandboxes.start(sandboxes.model(code, model__onnx=_doubles()), "onnx")
    answer = running.invoke("[[1, 2]]")
    assert (answer.body, answer.headers["Content-Type"]) == (b"6.0", "text/plain")


@pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
def test_pytorch_runs_torchscript(sandboxes: Sandboxes) -> None:
    import importlib

    torch = importlib.import_module("torch")
    room = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.ones(1, 2)), room)
    running = sandboxes.start(sandboxes.model(model__pt=room.getvalue()), "pytorch")
    assert running.invoke("[[1, 2]]").value == [[1, 2]]
