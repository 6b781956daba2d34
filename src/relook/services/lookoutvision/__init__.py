"""Amazon Lookout for Vision, API version 2020-11-20."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from relook.aws.description import lookoutvision_model
from relook.aws.operation import Service
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.datasets import DatasetLimits
from relook.core.minimums import RELAXED, Minimums
from relook.jobs.api import JobKind
from relook.services.lookoutvision.artifacts import kept_artifacts
from relook.services.lookoutvision.dataset_jobs import LANE as DATASET_LANE
from relook.services.lookoutvision.dataset_jobs import DatasetJobs
from relook.services.lookoutvision.datasets import Datasets
from relook.services.lookoutvision.detection import Detection
from relook.services.lookoutvision.entries import Entries
from relook.services.lookoutvision.hosting import HostingOperations
from relook.services.lookoutvision.hosting_control import Hosting
from relook.services.lookoutvision.limits import Limits
from relook.services.lookoutvision.models import Models
from relook.services.lookoutvision.packaging import Packaging
from relook.services.lookoutvision.projects import Projects
from relook.services.lookoutvision.tags import Tags
from relook.services.lookoutvision.training import LANE as TRAINING_LANE
from relook.services.lookoutvision.training import Training
from relook.store.engine import Store
from relook.vision.trainer import Trainer, engine

__all__ = ["DATASET_LANE", "TRAINING_LANE", "Hosting", "Limits", "job_kinds", "kept_artifacts", "service"]


def service(
    *,
    store: Store,
    blobs: Blobs,
    hosting: Hosting,
    artifacts_root: Path,
    wake_jobs: Callable[[], None],
    limits: Limits | None = None,
) -> Service:
    """The API over its parts. `wake_jobs` is called, from a worker thread, after a job was committed to the queue."""
    allowed = limits or Limits()
    nouns = (
        Projects(store),
        Datasets(store, wake_jobs),
        Entries(store, wake_jobs),
        Models(store, blobs, artifacts_root, allowed, wake_jobs),
        HostingOperations(store, hosting, allowed),
        Detection(store, hosting, allowed),
        Tags(store, allowed),
        Packaging(),
    )
    return Service(lookoutvision_model(), nouns)


def job_kinds(
    *,
    store: Store,
    blobs: Blobs,
    clock: Clock,
    artifacts_root: Path,
    data: Path,
    dataset_limits: DatasetLimits | None = None,
    relaxed_minimums: bool = False,
    trainer: Trainer | None = None,
    precision: str = "auto",
    seconds: float = math.inf,
    milliseconds: float = math.inf,
) -> list[JobKind]:
    """The jobs of this service, to be made in the process that runs them.

    `data` is where weights are looked for; `trainer` takes the place of the vision engine; `relaxed_minimums` lets
    models be trained on as few images as can work at all; `precision` is what new models compute in;
    `seconds` are what training one should take, `milliseconds` what its answers may.
    """
    most = dataset_limits or DatasetLimits()
    minimums = RELAXED if relaxed_minimums else Minimums()
    used = trainer or engine(data, precision, seconds, milliseconds)
    training = Training(store, blobs, clock, artifacts_root, used, minimums=minimums, limits=most)
    return [*DatasetJobs(store, blobs, clock, most).kinds(), training.kind()]
