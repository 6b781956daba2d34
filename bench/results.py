"""Result files: what was measured, with which command, on which machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
QUICK = ROOT / ".cache" / "bench"
"""Where `--quick` writes: its figures are for trying the benches, and are not kept."""
_LIBRARIES = (
    "openvino",
    "numpy",
    "scipy",
    "onnx",
    "scikit-learn",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "botocore",
)
_LIBRARIES += ("SQLAlchemy", "simplejpeg", "pillow")


class Unavailable(Exception):
    """A bench that cannot be run here; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number worth quoting. `at_most` and `at_least` are the target, where there is one, in the same unit.

    The README shows those that are a `headline`, and of the others how many targets are met.
    """

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    headline: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Details: `rows` have a cell for each of `columns`."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


@dataclass(frozen=True, slots=True)
class Result:
    """What a bench found. `notes` say how it was measured."""

    title: str
    figures: Sequence[Figure]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    seeds: dict[str, int] = field(default_factory=dict)


def write(name: str, result: Result, quick: bool, only: str = "", cap: int | None = None) -> Path:
    """`<name>.json` in bench/results, or in .cache/bench for a quick run and for one of some steps only."""
    said = " --quick" * quick + f" --only {shlex.quote(only)}" * bool(only) + f" --cap {cap}" * (cap is not None)
    header = {
        "name": name,
        "command": f"python -m bench {name}{said}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": machine(),
    }
    path = (QUICK if quick or only else RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(header | asdict(result), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def processor() -> str:
    """Its model, number of cores, and what it computes in; two of the same name may differ in the last."""
    told = machine()
    return f"{told['cpu']}, {told['cores']} cores, {told['precision']}"


def machine() -> dict[str, Any]:
    """What the figures depend on. `load_average` (1 minute, after the run) tells whether it was doing other things."""
    from relook.vision.runtime import native_precision

    return {
        "cpu": _proc("cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_proc("meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "precision": native_precision().value,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _proc(file: str, key: str) -> str:
    lines = (Path("/proc") / file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "unknown")


def _commit() -> str:
    """The commit, and whether the sources differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        altered = git("status", "--porcelain", "--", "src", "bench/*.py")
        return git("rev-parse", "--short=12", "HEAD") + (" (altered)" if altered else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
