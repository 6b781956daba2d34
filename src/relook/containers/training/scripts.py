"""The script that an SDK has put into a bucket is brought in: containers have no credentials to fetch it with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.folder import FolderBlobs
from relook.containers.training.files import copy
from relook.containers.training.objects import Item
from relook.core.locations import S3Location
from relook.core.training import TrainingInputError

CHANNEL = "code"
"""Where the SDK itself puts it when it knows that a training has no network."""
_PARAMETER = "sagemaker_submit_directory"
_INSIDE = "/opt/ml/input/data"


def bring(blobs: FolderBlobs, account: str, hyperparameters: Mapping[str, str], data: Path) -> dict[str, str]:
    """The hyperparameters for the container: an archive of scripts in a bucket becomes a file below `data`.

    Nothing is done where there is none, or a channel has the folder already. TrainingInputError.
    """
    location = _location(hyperparameters.get(_PARAMETER, ""))
    folder = data / CHANNEL
    if location is None or folder.exists():
        return dict(hyperparameters)
    name = location.key.rpartition("/")[2]
    folder.mkdir()
    try:
        copy(blobs, account, Item(location.bucket, location.key, name), folder)
    except NoRoom:
        raise
    except BlobError as error:
        raise TrainingInputError(f"Data download failed: {_PARAMETER}: {error}") from error
    return {**hyperparameters, _PARAMETER: json.dumps(f"{_INSIDE}/{CHANNEL}/{name}")}


def _location(text: str) -> S3Location | None:
    """SDKs write every value as JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if not isinstance(value, str) or not value.startswith("s3://") or not value.endswith(".tar.gz"):
        return None
    try:
        return S3Location.parse(value)
    except ValueError as error:
        raise TrainingInputError(f"the hyperparameter {_PARAMETER}: {error}") from None
