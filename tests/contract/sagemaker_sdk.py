"""The SageMaker SDK, which needs an environment of its own: scripts of the folder `sdk2` run in it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

_BUILT = Path(__file__).parents[2] / ".cache" / "sagemaker-2" / "bin" / "python"
_SCRIPTS = Path(__file__).parent / "sdk2"
_SECONDS = 600


def run_script(name: str, exports: Mapping[str, str], folder: Path, **given: Any) -> dict[str, Any]:
    """Run a script with the SDK in `folder`, under `exports` and no other AWS setting; the JSON that it ends with.

    `given` is its argument, as JSON. The test is skipped when the environment is not there.
    """
    python = Path(os.environ.get("RELOOK_SAGEMAKER2_PYTHON") or _BUILT)
    if not python.exists():
        pytest.skip(f"no SageMaker SDK v2 at {python}: run `make test-all`, which installs it")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    done = subprocess.run(
        [str(python), str(_SCRIPTS / name), json.dumps(given)],
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
