"""Loading the runtime talks to nobody and leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import relook

_WATCHED = """
import sys
heard = []
sys.addaudithook(lambda event, arguments: heard.append(event) if event.startswith("socket.") else None)
import relook.vision.predict, relook.vision.train, relook.vision.weights
from relook.vision import runtime
runtime.native_precision()
import threading
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
print(heard)
"""


def test_importing_the_engine_reaches_no_network_and_writes_nothing_at_home(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    environment["HOME"] = str(tmp_path)  # a user who never answered the analytics question, outside of CI
    found = subprocess.run(
        [sys.executable, "-c", _WATCHED], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_ours_imports_the_runtime_past_the_quiet_module() -> None:
    source = Path(relook.__file__).parent
    direct = re.compile(r"^\s*(import openvino|from openvino)\b", re.MULTILINE)
    found = [str(path.relative_to(source)) for path in source.rglob("*.py") if direct.search(path.read_text())]
    assert found == ["vision/quiet_openvino.py"]
