"""ProjectVersionDescription: what is not known is left out, never null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.core.clock import as_datetime
from relook.core.custom_labels.states import VersionStatus
from relook.store.rekognition_versions import Version

_PENDING = (VersionStatus.TRAINING_IN_PROGRESS, VersionStatus.COPYING_IN_PROGRESS)


def version_description(version: Version) -> dict[str, Any]:
    """Results are told once the training has ended: files of an attempt that still runs are not."""
    members: dict[str, Any] = {
        "ProjectVersionArn": str(version.name),
        "CreationTimestamp": as_datetime(version.name.created),
        "Status": version.status.value,
        "StatusMessage": version.message,
        "OutputConfig": {"S3Bucket": version.output.bucket, "S3KeyPrefix": version.output.prefix},
        "Feature": "CUSTOM_LABELS",
    }
    known = {
        "VersionDescription": version.description,
        "SourceProjectVersionArn": version.source_arn,
        "MinInferenceUnits": version.min_units,
        "MaxInferenceUnits": version.max_units,
    }
    members |= {name: value for name, value in known.items() if value is not None}
    if version.source_arn is None:
        members |= _data_results(version)
    if version.status not in _PENDING:
        members |= _results(version)
    return members


def _results(version: Version) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if version.ended is not None:
        members["TrainingEndTimestamp"] = as_datetime(version.ended)
    if version.files.summary is not None:
        members["ManifestSummary"] = _object(version, version.files.summary)
    if version.outcome is None:
        return members
    if version.outcome.billable_seconds is not None:
        members["BillableTrainingTimeInSeconds"] = version.outcome.billable_seconds
    if version.files.evaluation is not None:
        summary = _object(version, version.files.evaluation)
        members["EvaluationResult"] = {"F1Score": version.outcome.f1, "Summary": summary}
    return members


def _data_results(version: Version) -> dict[str, Any]:
    automatic = {"AutoCreate": version.auto_split}
    training = {"Input": _input(version.training_input, manifests=version.training_input is not None)}
    testing = {"Input": _input(version.testing_input, manifests=version.training_input is not None) | automatic}
    if version.status not in _PENDING:
        files = version.files
        training |= _files(version, files.training_output, files.training_validation, {})
        testing |= _files(version, files.testing_output, files.testing_validation, automatic)
    return {"TrainingDataResult": training, "TestingDataResult": testing}


def _input(manifest: Mapping[str, str] | None, *, manifests: bool) -> dict[str, Any]:
    """Nothing where the project's datasets were used."""
    if not manifests:
        return {}
    return {"Assets": [] if manifest is None else [{"GroundTruthManifest": {"S3Object": dict(manifest)}}]}


def _files(version: Version, output: str | None, validation: str | None, more: Mapping[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if output is not None:
        members["Output"] = {"Assets": [{"GroundTruthManifest": _object(version, output)}], **more}
    if validation is not None:
        members["Validation"] = {"Assets": [{"GroundTruthManifest": _object(version, validation)}]}
    return members


def _object(version: Version, key: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": version.output.bucket, "Name": key}}
