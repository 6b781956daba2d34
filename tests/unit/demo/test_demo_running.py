"""The parts around the calls: names, addresses, progress, the environment handed to boto3."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from relook.demo.errors import ServerError
from relook.demo.flow import key_part, new_names
from relook.demo.progress import Screen, position_in
from relook.demo.server import Server, isolate, parse_exports

KEY = re.compile(r"^([a-zA-Z0-9!_.*'()-][/a-zA-Z0-9!_.*'()-]*)?$")


@pytest.mark.parametrize(
    "name", ["a b/c d.jpg", "größe/Naïve ä.png", "日本.png", "x+y=z?.jpg", "a" * 300 + ".png", "..png"]
)
def test_keys_have_the_characters_the_api_takes(name: str) -> None:
    key = f"images/train/0001-{key_part(name)}.png"
    assert KEY.match(key)
    assert len(key) < 200


def test_names_are_new_each_time_and_legal() -> None:
    first, second = new_names(), new_names()
    assert first != second
    assert re.fullmatch(r"[a-z0-9-]{3,63}", first.bucket)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_\-]*", first.project)


@pytest.mark.parametrize(
    ("message", "position"),
    [
        ("The model is being trained. Extracting features: 12 of 63.", (12, 63)),
        ("features 12/63", (12, 63)),
        ("40 % done", (40, 100)),
        ("The model is being trained.", None),
        ("attempt 3 of 0", None),
    ],
)
def test_progress_is_read_from_the_status_message(message: str, position: tuple[float, float] | None) -> None:
    assert position_in(message) == position


def test_without_a_terminal_each_stage_is_one_line() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=100, force_terminal=False))
    with screen.step("Train") as bar:
        for message in ("Features: 1 of 3", "Features: 2 of 3", "Choosing: 1 of 2"):
            bar.message(message)
    lines = out.getvalue().splitlines()
    assert lines[:3] == ["Train ..", "  Features", "  Choosing"]
    assert re.fullmatch(r"ok Train \(\d+\.\d s\)", lines[3])
    assert len(lines) == 4


def test_exports_are_read_as_a_shell_reads_them() -> None:
    text = "export AWS_REGION=us-east-1\nexport AWS_DATA_PATH='/a b/c'\n# note\nexport AWS_SECRET_ACCESS_KEY=a=b/c+\n"
    assert parse_exports(text) == {
        "AWS_REGION": "us-east-1",
        "AWS_DATA_PATH": "/a b/c",
        "AWS_SECRET_ACCESS_KEY": "a=b/c+",
    }


def test_no_aws_setting_of_the_users_gets_through() -> None:
    clean = isolate({"PATH": "/bin", "AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_CONFIG_FILE": "/x"})
    assert clean == {"PATH": "/bin", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


def test_a_server_that_ends_at_once_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/bin/sh", "-c", "echo port 8484 is in use >&2; exit 3"]
    monkeypatch.setattr(Server, "command", property(lambda self: words))
    with pytest.raises(ServerError, match=r"(?s)exit code 3.*port 8484 is in use"):
        Server(tmp_path / "data", tmp_path / "out" / "server.log").start()
