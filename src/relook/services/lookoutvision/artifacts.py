"""Folders of trained models: `<artifact id>.<random>`, so that no two trainings ever write to one."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from relook.core.states import ModelStatus
from relook.store import lookoutvision_models as models
from relook.store.engine import Store


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


def sweep_artifacts(store: Store, root: Path) -> list[str]:
    """Remove the folders that no model refers to any more; returns their names. Call it before jobs run."""
    if not root.is_dir():
        return []
    # Listed before the rows are read: a training that starts meanwhile makes a folder that is not in the list.
    folders = [path for path in root.iterdir() if path.is_dir()]
    with store.read() as connection:
        known = models.artifacts(connection)
    removed = []
    for folder in sorted(folders):
        status, artifact = known.get(folder.name.partition(".")[0], (None, None))
        if status is not ModelStatus.TRAINING and folder.name != artifact:
            shutil.rmtree(folder)
            removed.append(folder.name)
    return removed
