"""`relook demo` as a user runs it, against a real server that it starts itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "relook", "demo"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user with AWS settings of their own, which must neither be used nor touched."""
    (tmp_path / "tmp").mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return clean | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "AWS_PROFILE": "not-there",
        "AWS_ACCESS_KEY_ID": "AKIAUSERSOWNKEY00000",
        "AWS_SECRET_ACCESS_KEY": "users-own",
    }


def processes_naming(text: str) -> list[str]:
    """Command lines of running processes that have `text` in them."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in line:
            lines.append(line)
    return lines


def test_from_drawn_plates_to_found_defects(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "out" / "report.html"
    command = [*COMMAND, "--small", "--out", str(out), "--montage", str(tmp_path / "montage.png")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    for step in (
        "Draw 46 plates",
        "Start a server",
        "Upload 40 pictures",
        "Train the model",
        "Start the model",
        "Look at 6 pictures",
        "Stop the model",
        "Stop the server",
    ):
        assert re.search(rf"^ok {step}", done.stderr, re.MULTILINE), f"{step} is missing in:\n{done.stderr}"
    assert "draws its own: plates" in done.stderr
    table = [line for line in done.stdout.splitlines() if "unseen/" in line]
    assert len(table) == 6
    right = re.search(r"(\d+) of 6 right", done.stdout)
    assert right is not None
    assert int(right[1]) >= 4, done.stdout
    assert str(out) in done.stdout
    page = out.read_text("utf-8")
    assert page.count("<img ") == 12
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    assert (tmp_path / "montage.png").stat().st_size > 10_000
    assert list((tmp_path / "tmp").iterdir()) == []
    assert processes_naming(str(tmp_path)) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [*COMMAND, "--small", "--out", str(tmp_path / "out" / "report.html")]
    # A shell that runs the tests in the background has SIGINT ignored, which a process hands down.
    command = ["env", "--default-signal=INT", *command]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("ok Create the project"):
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, "".join(said)
    assert "interrupted" in said[-1]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert processes_naming(str(tmp_path)) == []


def test_unusable_pictures_are_refused_before_anything_is_started(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "pictures" / "apples").mkdir(parents=True)
    command = [*COMMAND, "--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "out" / "report.html")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "in no layout that is known here (found apples/)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
