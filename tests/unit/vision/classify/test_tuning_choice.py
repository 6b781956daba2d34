"""When a backbone is not fine-tuned, and what is said then. None of this needs PyTorch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled_pictures import FAINT, SHAPES, ignore, shapes
from onnx import helper
from tunable_graphs import CHANNELS, backbone, convolution, mobile, stem

from relook.vision import shipped, torch_there
from relook.vision.backbones import Backbone
from relook.vision.budget import Budget
from relook.vision.classify import candidates, regression
from relook.vision.classify.candidates import Candidate
from relook.vision.classify.looking import PLAIN, look
from relook.vision.classify.problem import problem_of
from relook.vision.classify.tuning import choice, graphs
from relook.vision.classify.tuning.choice import Trial
from relook.vision.images import Size
from relook.vision.labelled import LabelTask
from relook.vision.runtime import Precision

EACH = 5


@pytest.fixture(scope="module")
def trial() -> Trial:
    """Faint shapes, told apart so badly that something better is wanted."""
    images = shapes(0, EACH, ink=FAINT)
    problem = problem_of(images, SHAPES, np.arange(len(images)), LabelTask.SINGLE_LABEL, 0)
    seen = look(problem, shipped.backbone(), Size(64, 64), Precision.F32, lambda: None, PLAIN, remember=False)
    chosen = candidates.choose(candidates.compare(problem, seen, lambda: None))
    assert chosen.quality < 1 - choice.GAIN
    return Trial(problem, Size(96, 96), chosen, seen, shipped.backbone(), Precision.F32, Budget(600), 1, 1)


@pytest.fixture(autouse=True)
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "FEWEST", EACH * len(SHAPES))


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_there, "find_spec", lambda name: None)


def perfect(chosen: Candidate) -> Candidate:
    return replace(chosen, area=1.0, information=0.99)


def test_nothing_is_said_where_nothing_is_to_be_gained(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    assert replace(trial, chosen=perfect(trial.chosen)).run(ignore) == (None, [])


def test_nor_where_there_are_too_few_images(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    monkeypatch.setattr(choice, "FEWEST", EACH * len(SHAPES) + 1)
    assert trial.run(ignore) == (None, [])


def test_without_pytorch_the_user_is_told_what_to_install(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    tuned, notes = trial.run(ignore)
    assert tuned is None
    assert "pip install 'relook[train]'" in notes[0]


def test_a_pytorch_that_cannot_be_loaded_costs_no_training(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise OSError("libtorch_cpu.so: no such file")

    monkeypatch.setattr(torch_there, "find_spec", lambda name: object())
    monkeypatch.setattr(torch_there, "import_module", broken)
    tuned, notes = trial.run(ignore)
    assert tuned is None
    assert notes == [
        "The backbone was not fine-tuned: PyTorch is installed, but cannot be loaded (libtorch_cpu.so: no such file)."
    ]


def test_labels_of_hardly_any_held_out_image_are_calibrated_by_all() -> None:
    rng = np.random.default_rng(4)
    truths = rng.random((60, 3)) < 0.5
    truths[:, 2] = False  # nobody has it, so of itself it would never be told
    logits = 3 * (truths - 0.5) + rng.normal(0, 0.5, truths.shape)
    alone, found = (regression.calibrate(logits[:, :some], truths[:, :some], False) for some in (2, 3))
    assert np.array_equal(found.slope[:2], alone.slope)
    scores = regression.scores(np.array([[1.5, 1.5, 1.5]]), found, False)[0]
    assert scores.min() > 0.6


def test_a_backbone_in_int8_stays_as_it_is(trial: Trial) -> None:
    tuned, notes = replace(trial, backbone=replace(trial.backbone, int8={})).run(ignore)
    assert tuned is None
    assert notes == [f"{trial.backbone.name} was not fine-tuned: its convolutions are in int8."]


def sigmoid() -> Backbone:
    nodes = [
        *stem(),
        convolution("deep", "low", CHANNELS),
        helper.make_node("Sigmoid", ["deep"], ["fine"]),
        convolution("coarse", "fine", CHANNELS),
    ]
    full = (CHANNELS, CHANNELS, 3, 3)
    return backbone(nodes, {"first": (CHANNELS, 3, 3, 3), "low": full, "deep": full, "coarse": full}, {})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (sigmoid(), "its graph has the operator Sigmoid"),
        (mobile(pads=[0, 0, 2, 2]), r"its Conv deep has pads \[0, 0, 2, 2\]"),
        (mobile(pads=[0, 0, 0, 0], auto_pad="SAME_UPPER"), "its Conv deep has auto_pad"),
    ],
    ids=["operator", "pads", "auto_pad"],
)
def test_graphs_that_torch_would_compute_otherwise_are_refused(given: Backbone, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(graphs.why_not(given))


def test_what_decides_does_not_load_pytorch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").touch()  # one that could be loaded, whether PyTorch is installed here or not
    text = "import sys, relook.vision.classify.train; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True, timeout=120, cwd=tmp_path)
