"""Amazon Rekognition (2016-06-27), of which Custom Labels alone: image classifiers and object detectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from relook.aws.models import botocore_model
from relook.aws.operation import Service
from relook.blobs.interface import Blobs
from relook.core.clock import Clock
from relook.core.custom_labels.usable import TrainingLimits
from relook.jobs.api import JobKind
from relook.services.rekognition.artifacts import kept_artifacts
from relook.services.rekognition.copying import Copying, CopyJob
from relook.services.rekognition.dataset_jobs import DatasetJobs
from relook.services.rekognition.dataset_steps import LANE as DATASET_LANE
from relook.services.rekognition.datasets import Datasets
from relook.services.rekognition.detection import Detection
from relook.services.rekognition.distribution import Distributions
from relook.services.rekognition.entries import Entries
from relook.services.rekognition.hosting import HostingOperations
from relook.services.rekognition.hosting_control import Hosting
from relook.services.rekognition.limits import Limits
from relook.services.rekognition.policies import Policies
from relook.services.rekognition.projects import Projects
from relook.services.rekognition.tags import Tags
from relook.services.rekognition.training import LANE as TRAINING_LANE
from relook.services.rekognition.training import Budgets, Training
from relook.services.rekognition.versions import Versions
from relook.store.engine import Store
from relook.vision.label_trainer import label_trainer
from relook.vision.labelled import LabelTrainer

__all__ = ["DATASET_LANE", "TRAINING_LANE", "Budgets", "Hosting", "Limits", "job_kinds", "kept_artifacts", "service"]


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
        Projects(store, allowed),
        Datasets(store, blobs, allowed, wake_jobs),
        Entries(store, wake_jobs),
        Distributions(store, wake_jobs),
        Versions(store, artifacts_root, allowed, wake_jobs),
        Copying(store, allowed, wake_jobs),
        Policies(store, allowed),
        Tags(store, allowed),
        HostingOperations(store, hosting, allowed),
        Detection(store, blobs, hosting),
    )
    return Service(botocore_model("rekognition"), nouns)


def job_kinds(
    *,
    store: Store,
    blobs: Blobs,
    clock: Clock,
    artifacts_root: Path,
    data: Path,
    limits: Limits | None = None,
    budgets: Budgets | None = None,
    trainer: LabelTrainer | None = None,
    precision: str = "auto",
    detector_steps: int | None = None,
    detector_mirroring: bool = True,
) -> list[JobKind]:
    """The jobs of this service, to be made in the process that runs them.

    `data` is where weights are looked for; `trainer` takes the place of classifiers and detectors; `precision` is what
    new classifiers compute in; None of `detector_steps` are as many as the time allows; `detector_mirroring` False
    never mirrors what a detector learns from.
    """
    allowed = limits or Limits()
    training = Training(
        store,
        blobs,
        clock,
        artifacts_root,
        trainer or label_trainer(data, precision, detector_steps, detector_mirroring),
        budgets=budgets or Budgets(),
        limits=TrainingLimits(rows=allowed.images, labels=allowed.labels),
    )
    copying = CopyJob(store, blobs, artifacts_root)
    return [*DatasetJobs(store, blobs, clock, allowed).kinds(), training.kind(), copying.kind()]
