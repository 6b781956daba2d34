"""The artifacts that models refer to."""

from __future__ import annotations

from relook.core.states import ModelStatus
from relook.store import lookoutvision_models as models
from relook.store.engine import Store


def kept_artifacts(store: Store) -> dict[str, str | None]:
    """As `jobs.artifacts.Kept` has it."""
    with store.read() as connection:
        known = models.artifacts(connection)
    training = {artifact_id for artifact_id, (status, _) in known.items() if status is ModelStatus.TRAINING}
    trained = {artifact_id: folder for artifact_id, (_, folder) in known.items() if folder is not None}
    return trained | dict.fromkeys(training)
