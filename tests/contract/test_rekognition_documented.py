"""The example in docs/custom-labels.md, run as it stands there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lookout_stage import Stage

from label_pictures import COLOURS, plain

PAGE = Path(__file__).parents[2] / "docs" / "custom-labels.md"
SECTION = "From a folder of pictures to answers"


def test_the_script_does_what_the_page_says(stage: Stage, tmp_path: Path) -> None:
    """It trains on folders named after labels and tells the labels of new pictures."""
    for at, (name, colour) in enumerate(COLOURS.items()):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for picture in range(8):
            (folder / f"{picture}.png").write_bytes(plain(colour, 100 * at + picture))
    (tmp_path / "new").mkdir()
    for at, (name, colour) in enumerate(COLOURS.items()):
        (tmp_path / "new" / f"{name}.png").write_bytes(plain(colour, 1000 + at))
    environment = {**os.environ, **stage.server.variables}
    done = subprocess.run(
        [sys.executable, "-c", _code()],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}.png ['{name}']" for name in sorted(COLOURS)]


def _code() -> str:
    """The first indented lines of the section that begin with an import, up to the text after them."""
    text = PAGE.read_text("utf-8").partition(f"\n## {SECTION}\n")[2].partition("\nFor a detector")[0]
    return "\n".join(line[4:] if line.startswith("    ") else "" for line in text.splitlines())
