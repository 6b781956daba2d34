"""The examples in docs/sagemaker.md that stand for themselves, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from training_calls import sandboxed

from relook.testing import LiveServer

PAGE = Path(__file__).parents[2] / "docs" / "sagemaker.md"
SECTION = "More ways to serve"


@sandboxed
def test_the_ways_to_serve_do_what_the_page_says(tmp_path: Path) -> None:
    """What is printed is what the comments beside the prints say. Its names want a server of their own."""
    code = code_of(SECTION)
    with LiveServer(tmp_path / "data") as server:
        environment = {**os.environ, **server.variables}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
    assert done.returncode == 0, done.stderr
    said = [
        one for words in re.findall(r"^ *print\(.*\) +# (.*)$", code, re.MULTILINE) for one in words.split(", then ")
    ]
    assert len(said) == 5
    assert done.stdout.splitlines() == said


def code_of(section: str) -> str:
    """Everything that is indented by four in a section of the page."""
    text = PAGE.read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = text.splitlines()
    return "\n".join(line[4:] if line.startswith("    ") else "" for line in lines)
