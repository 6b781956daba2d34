from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from relook import control_groups
from relook.cli import checks
from relook.cli.checks import GIB, Status
from relook.vision import engine, int8, resnet18, runtime, shipped
from relook.vision.engine import gpu_lacks

XEON = """processor\t: 0
model name\t: Intel(R)  Xeon(R) Processor
flags\t\t: fpu avx avx2 avx512f avx512_vnni amx_bf16 amx_int8 avx512_bf16

processor\t: 1
model name\t: Intel(R)  Xeon(R) Processor
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_cpu_features_are_named() -> None:
    model, features = checks.parse_cpuinfo(XEON)
    assert model == "Intel(R) Xeon(R) Processor"
    assert features == ["avx2", "avx512", "avx512-vnni", "avx512-bf16", "amx-bf16", "amx-int8"]
    assert checks.parse_cpuinfo(ARM)[1] == ["neon", "bf16", "i8mm"]


def test_a_cpu_without_avx2_is_warned_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.platform, "machine", lambda: "x86_64")
    old = tmp_path / "cpuinfo"
    old.write_text("model name : Old\nflags : fpu sse2\n")
    found = checks.cpu(old)
    assert found.status is Status.WARN
    assert "AVX2" in found.advice
    old.write_text(XEON)
    assert checks.cpu(old).status is Status.OK
    assert checks.cpu(tmp_path / "absent").status is Status.WARN


def test_one_thread_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_groups, "cpu_quota", lambda: None)
    monkeypatch.setattr(checks.os, "sched_getaffinity", lambda process: {0, 1, 2})
    assert checks.threads().status is Status.OK
    monkeypatch.setattr(control_groups, "cpu_quota", lambda: 1.0)
    limited = checks.threads()
    assert limited.status is Status.WARN
    assert "limited to 1 by the control group" in limited.found


@pytest.mark.parametrize(
    ("free_kb", "status"), [(8 * 1024**2, Status.OK), (1024**2, Status.WARN), (300 * 1024, Status.FAIL)]
)
def test_memory(tmp_path: Path, free_kb: int, status: Status) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:       16777216 kB\nMemAvailable:   {free_kb} kB\nHugePages_Total: 0\n")
    found = checks.memory(meminfo)
    assert found.status is status
    assert bool(found.advice) == (status is not Status.OK)


@pytest.mark.parametrize(("free", "status"), [(50 * GIB, Status.OK), (2 * GIB, Status.WARN), (GIB // 2, Status.FAIL)])
def test_disk_is_that_of_the_nearest_folder_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: Status
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or Usage(0, 0, free))
    found = checks.disk(tmp_path / "not" / "yet")
    assert (found.status, asked) == (status, [tmp_path])
    assert str(tmp_path / "not" / "yet") in found.found


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    found = checks.disk(tmp_path)
    assert found.status is Status.FAIL
    assert "--data" in found.advice


def test_a_gpu_is_seen_but_not_needed(tmp_path: Path) -> None:
    data, devices = tmp_path / "data", tmp_path
    assert checks.gpu(data, devices).found == "no NVIDIA device; none is needed"
    (tmp_path / "nvidia0").touch()
    (tmp_path / "nvidiactl").touch()
    found = checks.gpu(data, devices)
    assert found.found.startswith("NVIDIA: nvidia0;")
    opens = gpu_lacks() is None
    assert (found.status is Status.OK, "served there" in found.found) == (opens, opens)
    assert opens or "device cpu" in found.advice


def test_a_gpu_that_the_settings_ask_for_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "relook.toml").write_text('device = "gpu"\n')
    monkeypatch.setattr(engine, "gpu_lacks", lambda: "a GPU needs this and that")
    found = checks.gpu(tmp_path, tmp_path)
    assert (found.status, found.advice) == (Status.FAIL, "a GPU needs this and that")
    assert found.found == "no NVIDIA device; the setting device is gpu: the server does not start"
    monkeypatch.setattr(engine, "gpu_lacks", lambda: None)
    assert checks.gpu(tmp_path, tmp_path).status is Status.OK


def test_a_gpu_that_the_settings_leave_alone_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia0").touch()
    (tmp_path / "relook.toml").write_text('device = "cpu"\n')
    monkeypatch.setattr(engine, "gpu_lacks", lambda: pytest.fail("it was looked at"))
    found = checks.gpu(tmp_path, tmp_path)
    assert (found.status, "served on the CPU" in found.found) == (Status.OK, True)


def test_the_runtime_of_this_machine_is_named(tmp_path: Path) -> None:
    found = checks.runtime(tmp_path)
    assert found.status is Status.OK
    assert "OpenVINO 20" in found.found
    assert found.found.endswith(("f32", "bf16"))


def test_the_precision_of_the_settings_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "relook.toml").write_text('precision = "f32"\n')
    monkeypatch.setattr(runtime, "native_precision", lambda: runtime.Precision.BF16)
    found = checks.runtime(tmp_path)
    assert (found.status, found.found.endswith("new models compute in f32")) == (Status.OK, True)
    (tmp_path / "relook.toml").write_text('precision = "int8"\n')
    monkeypatch.setattr(int8, "lacking", lambda: "precision int8 needs this and that")
    found = checks.runtime(tmp_path)
    assert (found.status, found.advice) == (Status.FAIL, "precision int8 needs this and that")
    assert "cannot compute in int8" in found.found
    monkeypatch.setattr(int8, "lacking", lambda: None)
    found = checks.runtime(tmp_path)
    assert (found.status, found.found.endswith("new models compute in int8")) == (Status.OK, True)


def test_settings_that_cannot_be_read_fail(tmp_path: Path) -> None:
    (tmp_path / "relook.toml").write_text('precision = "int4"\n')
    for found in (checks.runtime(tmp_path), checks.gpu(tmp_path, tmp_path)):
        assert (found.status, "precision" in found.advice) == (Status.FAIL, True)


def test_a_copy_without_weights_is_warned_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "source", tmp_path / "package")
    found = checks.weights(tmp_path)
    assert found.status is Status.WARN
    assert "resnet18-random" in found.found
    assert f"relook weights import FILE --data {tmp_path}" in found.advice


def test_the_weights_that_come_along_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = dict.fromkeys(shipped.CARD, "a test")
    shipped.write(resnet18.random_weights(1, width=8, heads=True), card, tmp_path / "package")
    monkeypatch.setattr(shipped, "source", tmp_path / "package")
    found = checks.weights(tmp_path)
    assert found.status is Status.OK
    assert found.advice == f"{shipped.HINT} Here: relook weights pull --data {tmp_path}"
    assert found.found.startswith("relook-s (shipped, sha256 ")


def test_what_detectors_are_trained_with_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = checks.detectors(tmp_path, "relook_no_such_package")
    assert absent.status is Status.WARN
    assert absent.found.startswith("no PyTorch; object detectors start from relook-s (shipped, sha256 ")
    assert "pip install 'relook[train]'" in absent.advice
    there = checks.detectors(tmp_path, "onnx")  # any package: the tests run with PyTorch and without
    assert (there.status, there.advice) == (Status.OK, "")
    assert re.match(r"PyTorch \d+\.\d+\S*; object detectors start from relook-s ", there.found)
    monkeypatch.setattr(shipped, "source", tmp_path / "package")
    bare = checks.detectors(tmp_path, "onnx")
    assert bare.status is Status.WARN
    assert f"relook weights pull yolox-nano --data {tmp_path}" in bare.advice
    (tmp_path / "weights" / "detectors").mkdir(parents=True)
    (tmp_path / "weights" / "detectors" / "x.json").write_text("{")
    assert checks.detectors(tmp_path).status is Status.FAIL


def test_damaged_weights_fail(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "x.json").write_text("{")
    found = checks.weights(tmp_path)
    assert found.status is Status.FAIL
    assert f"relook weights list --data {tmp_path}" in found.advice
