"""The same contract tests with boto3 and botocore 1.40.60, the last to have Lookout for Vision, and its description.

They run in a process of their own, since two botocores cannot live in one. `make test-all` builds the environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients
OLD = Path(__file__).parents[2] / ".cache" / "botocore-1.40.60"
SUITES = ["projects", "datasets", "models", "hosting", "constraints"]
_ASK = """
import json, botocore, botocore.session
session = botocore.session.get_session()
loader = session.get_component("data_loader")
model, folder = loader.load_data_with_path("lookoutvision/2020-11-20/service-2")
print(json.dumps([botocore.__version__, folder, len(model["operations"])]))
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    if not (OLD / "botocore").is_dir():
        pytest.skip(f"no botocore 1.40.60 in {OLD}: `make test-all` installs it")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    server_path = {"RELOOK_SERVER_PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    # Folders that come after the old botocore still offer what the tests themselves import.
    path = os.pathsep.join(filter(None, [str(OLD), os.environ.get("PYTHONPATH")]))
    return kept | server_path | {"PYTHONPATH": path}


def test_it_is_the_old_one_with_its_own_description(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASK], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    version, folder, operations = json.loads(done.stdout)
    assert (version, operations) == ("1.40.60", 22)
    assert Path(folder).is_relative_to(OLD)


def test_the_contract(environment: dict[str, str]) -> None:
    files = [str(Path(__file__).with_name(f"test_lookout_{suite}.py")) for suite in SUITES]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--timeout=300",
        *files,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 120
    assert "skipped" not in done.stdout
