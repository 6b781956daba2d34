"""Models whose convolutions compute in int8."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rendered_parts import ignore, samples

from relook.vision import artifact, int8, runtime
from relook.vision.backbones import Layer
from relook.vision.features import Extractor
from relook.vision.images import Size
from relook.vision.predict import Predictor
from relook.vision.runtime import Precision
from relook.vision.samples import Task, TrainingError, TrainingResult
from relook.vision.survey import pixels_of
from relook.vision.train import Options, train
from relook.vision.weights import random_backbone

BACKBONE = random_backbone()
SIZE = Size(96, 128)

needs_int8 = pytest.mark.skipif(int8.lacking() is not None, reason=str(int8.lacking()))


def fit(output: Path) -> TrainingResult:
    return train(
        samples(0, 6, 0), samples(100, 4, 4), task=Task.CLASSIFICATION, classes=(), backbone=BACKBONE, output=output,
        seed=2, progress=ignore, options=Options(Precision.INT8, (64, 96)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(few_steps: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return fit(tmp_path_factory.mktemp("int8") / "model")


@needs_int8
def test_scores_from_bytes_are_those_of_training(trained: TrainingResult) -> None:
    predictor = Predictor.load(trained.artifact)
    for sample, test in zip(samples(100, 4, 4), trained.tests, strict=True):
        assert predictor.predict(sample.load()).score == test.prediction.score


@needs_int8
def test_the_artifact_records_it_and_how_it_was_calibrated(trained: TrainingResult) -> None:
    card = artifact.read(trained.artifact)[1]
    assert card.precision is Precision.INT8
    found = card.record["int8"]
    assert found["weights_sha256"] == BACKBONE.sha256 != card.record["backbone"]["sha256"]
    assert set(found["calibrated_with"]) <= {sample.key for sample in samples(0, 6, 0)}
    assert "convolutions in int8" in card.record["backbone"]["origin"]


@needs_int8
@pytest.mark.usefixtures("few_steps")
def test_the_same_data_and_seed_give_the_same_bytes(trained: TrainingResult, tmp_path: Path) -> None:
    fit(tmp_path / "again")
    for name in (artifact.GRAPH, artifact.CARD):
        assert (tmp_path / "again" / name).read_bytes() == (trained.artifact / name).read_bytes()


@needs_int8
def test_the_convolutions_do_compute_in_eight_bits() -> None:
    found = {}
    for name, backbone in (("given", BACKBONE), ("quantised", int8.quantised(BACKBONE, samples(0, 4, 0), 0))):
        model = runtime.read(backbone.onnx)
        model.reshape([1, 3, 96, 128])
        nodes = runtime.compile_model(model, Precision.INT8).get_runtime_model().get_ops()
        infos = [node.get_rt_info() for node in nodes]
        kinds = [str(info["runtimePrecision"].astype(str)) for info in infos if _is_convolution(info)]
        found[name] = kinds
    assert set(found["given"]) == {"f32"}
    assert len(found["quantised"]) == len(found["given"]) == 15
    assert set(found["quantised"]) <= {"u8", "i8"}


def _is_convolution(info: dict[str, object]) -> bool:
    kind = info["layerType"]
    return str(kind.astype(str)) == "Convolution"  # type: ignore[attr-defined]


@needs_int8
def test_features_stay_near_those_in_f32() -> None:
    training = samples(0, 4, 0)
    image = pixels_of(samples(50, 1, 0)[0])
    backbones = (BACKBONE, int8.quantised(BACKBONE, training, 0))
    plain, short = (
        next(iter(Extractor(each, SIZE, precision).each([image])))
        for each, precision in zip(backbones, (Precision.F32, Precision.INT8), strict=True)
    )
    error = float(np.abs(plain - short).mean() / np.abs(plain).mean())
    assert 0 < error < 0.15
    assert np.corrcoef(plain.ravel(), short.ravel())[0, 1] > 0.98


def test_a_cpu_that_would_overflow_is_refused_by_name(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("flags : fpu avx2 avx512f\n")
    new.write_text("flags : fpu avx2 avx_vnni\n")
    assert "int8 needs a CPU with VNNI or AMX" in (runtime.lacks(Precision.INT8, old) or "")
    assert runtime.lacks(Precision.INT8, new) is None
    assert runtime.lacks(Precision.F32, old) is None


@needs_int8
def test_a_model_is_not_served_where_it_would_overflow(
    trained: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "INT8_FLAGS", frozenset({"no such flag"}))
    with pytest.raises(artifact.ArtifactError, match=r"computes in int8: .* train it again"):
        Predictor.load(trained.artifact)


@needs_int8
def test_without_the_calibrating_library_training_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"pip install 'relook\[int8\]'"):
        int8.quantised(BACKBONE, samples(0, 4, 0), 0)


@needs_int8
def test_a_network_that_cannot_be_quantised_is_named() -> None:
    broken = replace(
        BACKBONE, onnx=BACKBONE.onnx.replace(b"conv1.weight", b"conv1.weighs", 1), layers=(Layer("x", 8, 1),)
    )
    with pytest.raises(TrainingError, match=f"{BACKBONE.name} cannot be brought to int8"):
        int8.quantised(broken, samples(0, 4, 0), 0)


_WATCHED = """
import sys
sys.path[:0] = [{tests!r}, {here!r}]
from rendered_parts import samples
from relook.vision import int8
from relook.vision.weights import random_backbone
int8.quantised(random_backbone(), samples(0, 2, 0), 0)
"""


@needs_int8
def test_quantising_writes_nothing_at_home(tmp_path: Path) -> None:
    """Where telemetry is on, ONNX Runtime leaves a number of the machine there, and a database of what it will send."""
    here = Path(__file__).parent
    code = _WATCHED.format(tests=str(here.parent.parent), here=str(here))
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []
