"""Everything but a detector's training works where PyTorch is absent, and never loads it where it is present."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from relook.vision.detect.exporting import export
from relook.vision.detect.starts import own

FORBID = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""
"""An import of torch then fails as where it is not installed: SciPy asks whether it is loaded."""


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FORBID + text, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "modules",
    ["relook.app", "relook.fleet.unit", "relook.cli, relook.cli.weights", "relook.vision.serving"],
)
def test_server_units_and_commands_load_without_it(modules: str) -> None:
    done = script(f"import {modules}; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_starts_plans_and_training_itself_load_without_it() -> None:
    done = script("import relook.vision.detect.train, relook.vision.detect.library, relook.vision.detect.predicting")
    assert done.returncode == 0, done.stderr


def test_an_artifact_is_served_without_it_and_without_what_builds_graphs(tmp_path: Path) -> None:
    text = """
sys.modules["onnx"] = None
from pathlib import Path
import hashlib, io, numpy as np
from PIL import Image
from relook.vision import label_artifact, serving, runtime
from relook.vision.engine import Device
from relook.vision.images import Size
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.labelled import LabelTask
folder = Path(sys.argv[1])
graph = (folder / "graph").read_bytes()
card = LabelCard(LabelTask.DETECTION, ("a", "b"), (0.5, 0.5), (Size(96, 128),), Fit.LETTERBOX, runtime.Precision.F32,
                 hashlib.sha256(graph).hexdigest(), {})
label_artifact.write(folder / "model", graph, card)
out = io.BytesIO()
Image.fromarray(np.zeros((80, 200, 3), np.uint8)).save(out, "PNG")
answer = serving.load(folder / "model", 1, Device.CPU).predict(out.getvalue())
print(answer.width, answer.height)
"""
    architecture = own().architecture(2)
    weights = {
        f"{conv.name}.{kind}": _zeros(conv.shape if kind == "weight" else conv.shape[:1])
        for conv in architecture.convolutions
        for kind in ("weight", "bias")
    }
    from relook.vision.images import Size

    (tmp_path / "graph").write_bytes(export(architecture, weights, Size(96, 128)))
    done = script(text, str(tmp_path))
    assert done.stdout.split() == ["200", "80"], done.stderr


def test_training_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from relook.vision import torch_there
    from relook.vision.samples import TrainingError

    monkeypatch.setattr(torch_there, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"needs PyTorch, .*relook\[train\]"):
        _train(tmp_path)


def test_training_says_why_pytorch_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from relook.vision import torch_there
    from relook.vision.samples import TrainingError

    def broken(name: str) -> object:
        raise OSError("libtorch_cpu.so: no such file")

    monkeypatch.setattr(torch_there, "find_spec", lambda name: object())
    monkeypatch.setattr(torch_there, "import_module", broken)
    with pytest.raises(TrainingError, match=r"cannot be loaded \(libtorch_cpu\.so: no such file\)"):
        _train(tmp_path)


def test_labels_that_are_not_to_be_learned_are_named_before_anything_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of `labels`: square$"):
        _train(tmp_path, ("disc",))


def _train(folder: Path, labels: Sequence[str] | None = None) -> None:
    from drawn_boxes import LABELS, pictures

    from relook.vision.label_trainer import label_trainer
    from relook.vision.labelled import LabelTask

    label_trainer(folder)(
        pictures(0, 2),
        [],
        task=LabelTask.DETECTION,
        labels=LABELS if labels is None else labels,
        output=folder / "model",
        seed=1,
        seconds=60,
        progress=lambda stage, done, of: None,
    )


def _zeros(shape: tuple[int, ...]) -> object:
    import numpy as np

    return np.zeros(shape, np.float32)
