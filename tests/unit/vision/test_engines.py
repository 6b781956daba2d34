"""The two engines behind one seam: the same artifact, the same answers; and no GPU that is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from rendered_parts import SCRATCH, ignore, samples

from relook.server import serve
from relook.settings import Settings, SettingsError
from relook.vision import able, artifact, engine
from relook.vision.engine import Device, DeviceError, gpu_lacks, open_engine
from relook.vision.images import Size, load
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision
from relook.vision.samples import Task
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone

onnx_engine = pytest.importorskip("relook.vision.onnx_engine", reason="needs ONNX Runtime (extra int8 or gpu)")

RAW, HEAT, PIXELS = 1e-3, 1e-2, 0.001
"""Tolerances: of a raw score, relative; of the heat map, in deviations of normal cells; share of the mask's pixels."""

GPU = gpu_lacks()
without_gpu = pytest.mark.skipif(GPU is None, reason="there is a GPU here")


@pytest.fixture(scope="module")
def trained(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two views, the second with a head that looks at the first; f32, so that only the runtime differs."""
    folder = tmp_path_factory.mktemp("engines") / "model"
    train(
        samples(0, 8, 8, masked=True), [], task=Task.SEGMENTATION, classes=(SCRATCH,), backbone=random_backbone(),
        output=folder, seed=1, progress=ignore, options=Options(Precision.F32, (96, 176)),
    )  # fmt: skip
    return folder


def agree(folder: Path, provider: str) -> None:
    graph, card = artifact.read(folder)
    one = Predictor.load(folder)
    other = Predictor(card, onnx_engine.OnnxEngine(graph, [view.size for view in card.views], provider))
    masked = 0
    for sample in samples(100, 3, 3):
        pixels = load(sample.load()).pixels
        first, second = one.raw_score(pixels), other.raw_score(pixels)
        assert second == pytest.approx(first, rel=RAW, abs=RAW)
        assert np.abs(one.heat_map() - other.heat_map()).max() < HEAT
        size = Size(*pixels.shape[:2])
        here, there = one.class_map(size), other.class_map(size)
        masked += int((here > 0).sum())
        assert (here != there).mean() <= PIXELS
    assert masked, "no mask was drawn at all, so that nothing was compared"


def test_the_graph_is_valid_by_the_format_s_own_checker(trained: Path) -> None:
    onnx.checker.check_model(artifact.read(trained)[0], full_check=True)


def test_onnx_runtime_answers_as_openvino_does(trained: Path) -> None:
    agree(trained, onnx_engine.CPU)


@pytest.mark.gpu
@pytest.mark.skipif(GPU is not None, reason=f"no GPU: {GPU}")
def test_the_gpu_answers_as_openvino_does(trained: Path) -> None:
    agree(trained, onnx_engine.CUDA)
    for device in (Device.GPU, Device.AUTO):
        assert "on the GPU through CUDA" in Predictor.load(trained, device=device).engine.name


@without_gpu
def test_a_gpu_that_is_not_there_is_refused(trained: Path) -> None:
    with pytest.raises(DeviceError, match="device cpu"):
        Predictor.load(trained, device=Device.GPU)


@without_gpu
def test_auto_takes_the_cpu_and_says_why_where_cuda_is_installed(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "_build", lambda: engine._Build.CUDA)
    assert Predictor.load(trained, device=Device.AUTO).engine.name.startswith("OpenVINO ")
    assert "device auto takes the CPU: the GPU through CUDA " in capfd.readouterr().err


def test_a_provider_that_is_quietly_replaced_counts_as_none(trained: Path) -> None:
    """What an ONNX Runtime built with CUDA gives where CUDA does not open: a session, but on the CPU."""
    session = onnx_engine.open_session(artifact.read(trained)[0], onnx_engine.CPU)
    onnx_engine.require_provider(session, onnx_engine.CPU, "")
    with pytest.raises(DeviceError, match=r"CUDA does not open: no libcuda\. It needs .* or take device cpu"):
        onnx_engine.require_provider(session, onnx_engine.CUDA, "no libcuda")


def test_without_onnx_runtime_auto_is_the_cpu_and_gpu_says_what_to_install(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "_build", lambda: engine._Build.NONE)
    assert Predictor.load(trained, device=Device.AUTO).engine.name.startswith("OpenVINO ")
    assert capfd.readouterr().err == ""
    with pytest.raises(DeviceError, match=r"pip install 'relook\[gpu\]'"):
        Predictor.load(trained, device=Device.GPU)


def test_an_int8_model_is_not_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_build", lambda: engine._Build.CUDA)
    with pytest.raises(DeviceError, match="int8 models are for the CPU"):
        open_engine(b"", [], Precision.INT8, Device.GPU, 1)


def test_something_small_is_computed_before_a_provider_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Computed] = []

    def opens(graph: bytes, provider: str) -> Computed:
        opened.append(Computed(real(graph, provider), off=0.0 if not opened else 0.5))
        return opened[-1]

    real = onnx_engine.open_session
    monkeypatch.setattr(onnx_engine, "open_session", opens)
    onnx_engine.try_out(onnx_engine.CPU)
    assert [each.providers for each in opened] == [[onnx_engine.CPU]]
    assert opened[0].answers == [[0, 0, 1, 2]]
    with pytest.raises(
        DeviceError, match=r"the CPU computes wrong numbers \(\[0\.5, 0\.5, 1\.5, 2\.5\]\): take device"
    ):
        onnx_engine.try_out(onnx_engine.CPU)


class Computed:
    """A session whose answers are written down, and all `off` by so much."""

    def __init__(self, session: Any, off: float) -> None:
        self._session = session
        self._off = off
        self.providers: list[str] = session.get_providers()
        self.answers: list[list[float]] = []

    def run(self, names: list[str] | None, fed: dict[str, Any]) -> list[Any]:
        found = [each + np.float32(self._off) for each in self._session.run(names, fed)]
        self.answers += [each.tolist() for each in found]
        return found


@without_gpu
def test_the_machine_is_asked_before_a_server_starts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert able.main(["--device", "gpu"]) == 1
    assert "device cpu" in capsys.readouterr().out
    assert able.main(["--device", "auto", "--precision", "f32"]) == 0
    with pytest.raises(SettingsError, match=r"device=gpu: .*device cpu"):
        serve(Settings(tmp_path / "data", device="gpu"), lambda endpoint: None)
    assert not (tmp_path / "data").exists()


def test_auto_does_not_load_onnx_runtime_where_it_is_built_without_cuda(trained: Path) -> None:
    code = (
        "import sys, pathlib; from relook.vision import engine; from relook.vision.predict import Predictor\n"
        "cuda = engine._build() is engine._Build.CUDA\n"
        f"Predictor.load(pathlib.Path({str(trained)!r}), device=engine.Device.AUTO)\n"
        "print(cuda, 'onnxruntime' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    cuda, loaded = found.stdout.split()
    assert loaded == cuda
