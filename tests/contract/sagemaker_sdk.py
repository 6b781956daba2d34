"""The SageMaker SDK, each version in an environment of its own: scripts of `sdk2` and `sdk3` run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lookout_stage import Stage

_BUILT = Path(__file__).parents[2] / ".cache"
_SCRIPTS = Path(__file__).parent
_SECONDS = 600


def exports(stage: Stage) -> dict[str, str]:
    """What `relook sagemaker env` prints for the server."""
    command = [sys.executable, "-m", "relook", "sagemaker", "env", "--data", str(stage.server.data), "--json"]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def run_script(
    name: str, exports: Mapping[str, str], folder: Path, *, version: int = 2, **given: Any
) -> dict[str, Any]:
    """Run a script with the SDK in `folder`, under `exports` and no other AWS setting; the JSON that it ends with.

    `given` is its argument, as JSON. The test is skipped when the environment of that `version`, 2 or 3, is not there.
    """
    built = _BUILT / f"sagemaker-{version}" / "bin" / "python"
    python = Path(os.environ.get(f"RELOOK_SAGEMAKER{version}_PYTHON") or built)
    if not python.exists():
        pytest.skip(f"no SageMaker SDK v{version} at {python}: run `make test-all`, which installs it")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    done = subprocess.run(
        [str(python), str(_SCRIPTS / f"sdk{version}" / name), json.dumps(given)],
        capture_output=True,
        text=True,
        env={**kept, **exports, "HOME": str(folder), "SAGEMAKER_SUPPRESS_V2_WARNING": "1"},
        cwd=folder,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
