"""The AWS CLIs that there are to test with: v1 as `make test-all` builds it, v2 as Debian installs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

Aws = Callable[..., str]
VERSIONS = ("v1", "v2")
_BUILT = Path(__file__).parents[2] / ".cache" / "awscli" / "bin" / "aws"
_PROGRAMS = {"v1": ("RELOOK_AWSCLI", _BUILT), "v2": ("RELOOK_AWSCLI2", Path("/usr/bin/aws"))}
_INSTALL = {"v1": "run `make test-all`, which builds one", "v2": "Debian: apt-get install awscli"}


def program_of(version: str) -> Path:
    """The CLI of this major version; skips the test when it is not there."""
    variable, usual = _PROGRAMS[version]
    program = Path(os.environ.get(variable) or usual)
    found = ""
    if program.exists():
        found = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    if not found.startswith(f"aws-cli/{version[1:]}."):
        pytest.skip(f"no AWS CLI {version} at {program} ({found.strip() or 'absent'}): {_INSTALL[version]}")
    return program


def cli(version: str, exports: Mapping[str, str], folder: Path) -> Aws:
    """A function that runs the CLI in `folder`, under `exports` and no other AWS setting; returns what it printed.

    With succeeds=False it must fail, and what it said on stderr is there too. With `exits` it must end with that code,
    or one of them; what it said on stderr is returned alone.
    """
    # Debian's v2 is older than AWS_ENDPOINT_URL. v1 is given nothing but the exports.
    endpoint = ["--endpoint-url", exports["AWS_ENDPOINT_URL"]] if version == "v2" else []
    command = [str(program_of(version)), *endpoint]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environment = {**kept, **exports, "HOME": str(folder), "AWS_PAGER": ""}

    def run(*arguments: str, succeeds: bool = True, exits: int | Collection[int] | None = None) -> str:
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=120,
            check=False,
        )
        if exits is not None:
            allowed = [exits] if isinstance(exits, int) else exits
            assert done.returncode in allowed, done.stdout + done.stderr
            return done.stderr
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return done.stdout if succeeds else done.stdout + done.stderr

    return run
