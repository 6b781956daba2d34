from __future__ import annotations

from pathlib import Path

import pytest

from podman_service import PodmanService
from relook.cli import checks
from relook.cli.checks import Status
from relook.containers.embedded import sandbox
from sandboxes import needs_sandbox


def _found(tmp_path: Path, setting: str) -> checks.Check:
    (tmp_path / "relook.toml").write_text(f'container_engine = "{setting}"\n', "utf-8")
    return checks.containers(tmp_path)


def test_the_engine_is_named_with_its_socket(podman: PodmanService, tmp_path: Path) -> None:
    found = _found(tmp_path, podman.setting)
    assert found.status is Status.OK
    assert found.found.startswith("Podman Engine ")
    assert found.found.endswith(f"at {podman.socket}")


def test_who_is_not_root_is_told_what_that_means(
    podman: PodmanService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    found = _found(tmp_path, podman.setting)
    assert found.status is Status.WARN
    assert "isolation" in found.advice


def test_without_an_engine_the_rest_goes_on(tmp_path: Path) -> None:
    found = _found(tmp_path, f"unix://{tmp_path}/none.sock")
    assert found.status is Status.WARN
    assert f"{tmp_path}/none.sock" in found.advice
    assert _found(tmp_path, "none").status is Status.OK


@needs_sandbox
def test_a_sandbox_that_works_is_told() -> None:
    assert checks.sandbox().status is Status.OK


def test_a_machine_without_bubblewrap_is_told_what_cannot_run_and_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SEARCHED", {"PATH": "/nonexistent"})
    sandbox._help.cache_clear()
    found = checks.sandbox()
    sandbox._help.cache_clear()
    assert found.status is Status.WARN
    assert "built-in runtimes cannot run" in found.advice
    assert "apt-get install bubblewrap" in found.advice


def test_settings_that_cannot_be_read_fail(tmp_path: Path) -> None:
    found = _found(tmp_path, "tcp://127.0.0.1:2375")
    assert found.status is Status.FAIL
    assert "container_engine" in found.advice
