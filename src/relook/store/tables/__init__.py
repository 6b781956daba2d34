"""Every table of the data folder. Importing this package is what fills `metadata`."""

from __future__ import annotations

from relook.store.tables import (
    autoscaling,
    iam,
    jobs,
    logs,
    lookoutvision,
    objects,
    rekognition,
    sagemaker_endpoints,
    sagemaker_models,
    sagemaker_training,
    sagemaker_transforms,
)
from relook.store.tables.base import metadata

__all__ = [
    "autoscaling",
    "iam",
    "jobs",
    "logs",
    "lookoutvision",
    "metadata",
    "objects",
    "rekognition",
    "sagemaker_endpoints",
    "sagemaker_models",
    "sagemaker_training",
    "sagemaker_transforms",
]
