"""An environment made from a link to the machine's Python works in a sandbox, wherever the link lies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandboxes import needs_sandbox

pytestmark = needs_sandbox

INSIDE = """
import subprocess, sys
from relook.containers.embedded.sandbox import SEARCHED, View, arguments, command, python_links
view = View("here", (), {}, False, 1 << 20)
print(python_links())
sandbox = [*command("bwrap"), *arguments("bwrap", view)]
told = "import json, sys; print(sys.prefix != sys.base_prefix, json.__name__)"
sys.exit(subprocess.run([*sandbox, "--", sys.executable, "-I", "-c", told], env=SEARCHED).returncode)
"""


def test_a_link_to_a_link_to_python(tmp_path: Path) -> None:
    base = Path(os.path.realpath(sys.executable))
    first, second = tmp_path / "mine" / "python3", tmp_path / "other" / "python"
    for link, target in ((second, base), (first, Path("../other/python"))):
        link.parent.mkdir()
        link.symlink_to(target)
    environment = tmp_path / "environment"
    subprocess.run([first, "-m", "venv", "--without-pip", environment], check=True)
    done = subprocess.run(
        [environment / "bin" / "python", "-c", INSIDE],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    links, inside = done.stdout.splitlines()
    assert links == str([(str(first), "../other/python"), (str(second), str(base))])
    assert inside == "True json"
