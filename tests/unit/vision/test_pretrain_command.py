"""`relook pretrain` from end to end, at the smallest size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from relook.vision import resnet18
from relook.vision.weights import import_weights

SMALL = ["--pictures", "8", "--steps", "6", "--batch", "2", "--width", "8", "--threads", "1"]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed (see `make test-all`)")


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    file = tmp_path / "teacher.onnx"
    file.write_bytes(resnet18.build(resnet18.random_weights(1, width=8, heads=True)))
    return file


def command(teacher: Path, out: Path, *options: str, before: str = "") -> list[str]:
    code = f"{before}\nfrom relook.cli import main\nmain(prog_name='relook')"
    return [sys.executable, "-c", code, "pretrain", "--teacher", str(teacher), "--out", str(out), *SMALL, *options]


def relook(teacher: Path, out: Path, *options: str, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(teacher, out, *options, before=before),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=200,
        check=False,
    )


def test_without_torch_it_says_what_to_install_and_leaves_nothing(teacher: Path, tmp_path: Path) -> None:
    done = relook(teacher, tmp_path / "out", before="import sys; sys.modules['torch'] = None")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "make torch" in done.stderr
    assert "pip install 'relook[train]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_torch_that_cannot_be_loaded_is_named(teacher: Path, tmp_path: Path) -> None:
    broken = """
from relook.vision import torch_there
def fail(name):
    raise OSError("libtorch_cpu.so: no such file")
torch_there.find_spec = lambda name: object()
torch_there.import_module = fail
"""
    done = relook(teacher, tmp_path / "out", before=broken)
    assert done.returncode == 1
    assert "cannot be loaded (libtorch_cpu.so: no such file)" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.torch
@needs_torch
def test_stopped_and_gone_on_with_it_makes_the_same_weights(teacher: Path, tmp_path: Path) -> None:
    whole = relook(teacher, tmp_path / "whole", "--note", "a test")
    assert (whole.returncode, whole.stdout) == (0, f"{tmp_path}/whole/relook-s.safetensors\n"), whole.stderr
    lines = whole.stderr.splitlines()
    assert lines[0] == "pictures 1/8"
    assert lines[-1].startswith("training 6/6, unexplained ")
    stopped = relook(teacher, tmp_path / "parts", "--minutes", "0.000001")
    assert stopped.returncode == 3
    assert "0 of 8 pictures drawn; they are kept; the same command goes on" in stopped.stderr
    done = relook(teacher, tmp_path / "parts", "--note", "a test")
    assert done.returncode == 0, done.stderr
    for name in ("pictures.npy", "relook-s.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    card = json.loads((tmp_path / "whole" / "relook-s.json").read_bytes())
    assert card["quality"]["notes"] == ["a test"]
    assert card["quality"]["explained_variance"].keys() == {"layer2", "layer3"}
    assert card["training"]["minutes"] < 5
    assert import_weights(tmp_path / "whole" / "relook-s.safetensors", tmp_path / "data").name == "relook-s"
    other = relook(teacher, tmp_path / "whole", "--steps", "9")
    assert other.returncode == 1
    assert "is of another run (steps 6, not 9)" in other.stderr


@pytest.mark.torch
@needs_torch
def test_an_interrupt_keeps_the_checkpoint(teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(teacher, out, "--steps", "1000000"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "pictures 8/8, 0 s left\n":
            break
    second = relook(teacher, out)
    assert second.returncode == 1
    assert f"another run is at work in {out}" in second.stderr
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=200)
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert "checkpoint.pt keeps them; the same command goes on" in rest
    assert {file.name for file in out.iterdir()} == {"pictures.npy", "checkpoint.pt"}


@pytest.mark.torch
@needs_torch
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--width", "100"), "a student of width 100 has 13.8 MB of weights"),
        (("--teacher", "absent.onnx"), "the teacher absent.onnx cannot be read: No such file"),
        (("--out", "/dev/null/out"), "Not a directory"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    teacher: Path, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    done = relook(teacher, tmp_path / "out", *options)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
