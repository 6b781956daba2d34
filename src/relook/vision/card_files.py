"""Small files that are there whole or not at all: cards of weights, and the graphs beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relook.vision.backbones import WeightsError


def as_json(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, indent=1).encode() + b"\n"


def put(path: Path, content: bytes) -> None:
    """Replace the file in one step, its folder made if absent. Raises WeightsError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WeightsError(f"{path.parent} cannot be written: {error.strerror or error}") from error
