"""The restored description as files, laid out as botocore and the AWS CLI look for them.

    <root>/lookoutvision/2020-11-20/service-2.json, paginators-1.json, endpoint-rule-set-1.json

`<root>` is ~/.aws/models, or a folder that AWS_DATA_PATH names. No other file there is read, written or removed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from relook.aws.description import SERVICE, VERSION, endpoint_document, paginators_document, service_document

MAIN = "service-2.json"


class State(Enum):
    """What a models folder holds of Lookout for Vision."""

    ABSENT = "absent"
    CURRENT = "installed"
    OUTDATED = "outdated"
    """Ours, but of another version, or with a file missing."""
    FOREIGN = "foreign"
    """Somebody else's description of the service, such as one put there by `aws configure add-model`."""


def model_paths(root: Path) -> list[Path]:
    """The files that belong to the description under `root`, there or not."""
    return list(_contents(root))


def models_state(root: Path) -> State:
    """OSError when a file there cannot be read."""
    contents = _contents(root)
    found = {path: path.read_bytes() for path in contents if path.is_file()}
    if not found:
        return State.ABSENT
    if found == contents:
        return State.CURRENT
    main = found.get(root / SERVICE / VERSION / MAIN)
    return State.OUTDATED if main is None or _is_ours(main) else State.FOREIGN


def write_models(root: Path) -> list[Path]:
    """Put the description under `root` (made where absent); the files that were not there in this form before.

    Each file appears whole or not at all, so a client that starts meanwhile never reads half of one.
    OSError when a folder or file cannot be written.
    """
    changed = [path for path, content in _contents(root).items() if not _holds(path, content)]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, _contents(root)[path])
    return changed


def remove_models(root: Path) -> list[Path]:
    """Take the description's files away, and the folders that this leaves empty, `root` itself excepted.

    Returns the files removed. OSError when one cannot be removed.
    """
    removed = [path for path in _contents(root) if path.is_file()]
    for path in removed:
        path.unlink()
    for folder in (root / SERVICE / VERSION, root / SERVICE):
        with suppress(OSError):  # absent, or something of the user's is in it
            folder.rmdir()
    return removed


def _contents(root: Path) -> dict[Path, bytes]:
    folder = root / SERVICE / VERSION
    documents = {
        MAIN: service_document(),
        "paginators-1.json": paginators_document(),
        "endpoint-rule-set-1.json": endpoint_document(),
    }
    return {folder / name: _encode(document) for name, document in documents.items()}


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


def _is_ours(main: bytes) -> bool:
    try:
        document = json.loads(main)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("documentation") == service_document()["documentation"]


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
