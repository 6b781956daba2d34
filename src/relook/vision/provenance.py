"""What made a model, for its record: hashes of the code and versions of the libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import relook


def code_sha256() -> str:
    """Of all source files of `vision`."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Relook's and those of installed distributions of these names."""
    return {"relook": relook.__version__} | {name: version(name) for name in libraries}
