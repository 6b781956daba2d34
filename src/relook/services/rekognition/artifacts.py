"""The artifacts that versions refer to."""

from __future__ import annotations

from relook.core.custom_labels.states import VersionStatus
from relook.store import rekognition_versions as versions
from relook.store.engine import Store

_MAKING = (VersionStatus.TRAINING_IN_PROGRESS, VersionStatus.COPYING_IN_PROGRESS)


def kept_artifacts(store: Store) -> dict[str, str | None]:
    """As `jobs.artifacts.Kept` has it."""
    with store.read() as connection:
        known = versions.artifacts(connection)
    made = {artifact_id: folder for artifact_id, (_, folder) in known.items() if folder is not None}
    return made | {artifact_id: None for artifact_id, (status, _) in known.items() if status in _MAKING}
