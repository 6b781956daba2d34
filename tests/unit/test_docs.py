"""What the documents say about the code is true."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from relook.cli import main
from relook.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `RELOOK_\w+` \| `?([^`|]*?)`? \|", text, re.MULTILINE))
    defaults = {name: value for name, value in asdict(Settings(Path("data"))).items() if name != "data"}
    words = {
        name: {"": "none", "False": "false", "True": "true", "{}": "none"}.get(str(value), str(value))
        for name, value in defaults.items()
    }
    assert rows == words
    for name in defaults:
        assert f"`RELOOK_{name.upper()}`" in text


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for name in main.list_commands(None):
        assert f"`relook {name}" in text, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not heading or heading in anchors(there), f"{target}#{heading}"


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE):
        assert name in targets, name
