"""Models as answers: optional members are left out, never null."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from relook.core.clock import as_datetime
from relook.core.states import ModelStatus
from relook.jobs import queue
from relook.store.lookoutvision_models import Model


def model_metadata(connection: Connection, model: Model) -> dict[str, Any]:
    """ModelMetadata."""
    members: dict[str, Any] = {
        "CreationTimestamp": as_datetime(model.created),
        "ModelVersion": str(model.name.version),
        "ModelArn": str(model.name),
        "Status": model.status.value,
        "StatusMessage": _message(connection, model),
    }
    if model.description is not None:
        members["Description"] = model.description
    outcome = model.outcome
    if outcome is not None and outcome.f1 is not None:
        members["Performance"] = {"F1Score": outcome.f1, "Recall": outcome.recall, "Precision": outcome.precision}
    return members


def model_description(connection: Connection, model: Model) -> dict[str, Any]:
    """ModelDescription."""
    members = model_metadata(connection, model)
    location = {"Bucket": model.output.bucket}
    if model.output.prefix is not None:
        location["Prefix"] = model.output.prefix
    members["OutputConfig"] = {"S3Location": location}
    if model.outcome is not None:
        members["EvaluationManifest"] = {"Bucket": model.output.bucket, "Key": model.outcome.manifest_key}
        members["EvaluationResult"] = {"Bucket": model.output.bucket, "Key": model.outcome.result_key}
        members["EvaluationEndTimestamp"] = as_datetime(model.outcome.ended)
    if model.min_units is not None:
        members["MinInferenceUnits"] = model.min_units
    if model.max_units is not None:
        members["MaxInferenceUnits"] = model.max_units
    return members


def _message(connection: Connection, model: Model) -> str:
    """The row's message; while training, with the stage and how far it is after the original's words."""
    if model.status is not ModelStatus.TRAINING or model.job_id is None:
        return model.message
    job = queue.find(connection, model.job_id)
    if job is None or not job.progress.stage:
        return model.message
    progress = job.progress
    share = f": {100 * progress.done // progress.total}%" if progress.total > 0 else ""
    return f"{model.message} {progress.stage[:1].upper()}{progress.stage[1:]}{share}"
