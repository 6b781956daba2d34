"""Folders of trained models: `<artifact id>.<random>`, so that no two jobs ever write to one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

Kept = Callable[[], Mapping[str, str | None]]
"""The artifact ids that rows refer to, each with its folder; None while it is being made, in whatever folder."""


def fresh_folder(root: Path, artifact_id: str) -> Path:
    """A new empty folder for one run of a training; what an earlier, broken run left is removed."""
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{artifact_id}.*"):
        shutil.rmtree(left)
    folder = root / f"{artifact_id}.{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    return folder


def make_durable(folder: Path) -> None:
    """Return once every file and name in the folder, and its own name, are on disk."""
    paths = sorted(folder.rglob("*"))
    for path in [*paths, folder, folder.parent]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep_artifacts(root: Path, *services: Kept) -> list[str]:
    """Remove the folders that no row of any service refers to any more; returns their names. Call it before jobs run.

    All services that put artifacts there must be given.
    """
    if not root.is_dir():
        return []
    # Listed before the rows are read: a training that starts meanwhile makes a folder that is not in the list.
    folders = [path for path in root.iterdir() if path.is_dir()]
    kept: dict[str, str | None] = {}
    for service in services:
        kept |= service()
    removed = []
    for folder in sorted(folders):
        artifact_id = folder.name.partition(".")[0]
        if artifact_id not in kept or kept[artifact_id] not in (None, folder.name):
            shutil.rmtree(folder)
            removed.append(folder.name)
    return removed
