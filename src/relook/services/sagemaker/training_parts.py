"""Trainings as the app wires them."""

from __future__ import annotations

from pathlib import Path

from relook.blobs.folder import FolderBlobs
from relook.containers.api import Driver
from relook.core.clock import Clock
from relook.core.datasets import DatasetLimits
from relook.core.minimums import RELAXED, Minimums
from relook.jobs.api import JobKind
from relook.services.sagemaker.public_algorithm import TRAINING_IMAGE
from relook.services.sagemaker.training_builtin import BuiltInWork
from relook.services.sagemaker.training_container import ContainerWork, image_of
from relook.services.sagemaker.training_job import TrainingWork, Work
from relook.store.engine import Store
from relook.store.sagemaker_training import TrainingJob
from relook.vision.trainer import Trainer


def training_kind(
    *,
    store: Store,
    blobs: FolderBlobs,
    clock: Clock,
    driver: Driver,
    trainer: Trainer,
    root: Path,
    prefix: str,
    gpu: bool = False,
    relaxed_minimums: bool = False,
) -> JobKind:
    """The job that trains, to be made in the process that runs it.

    `trainer` is the vision engine, for the built-in algorithm; everything else goes to `driver`, in containers whose
    names begin with `prefix`. `root` is a folder for what trainings read and write; `gpu` says that there is one.
    """
    container = ContainerWork(blobs, driver, prefix=prefix, gpu=gpu)
    minimums = RELAXED if relaxed_minimums else Minimums()
    built_in = BuiltInWork(blobs, trainer, minimums=minimums, limits=DatasetLimits())

    def choose(job: TrainingJob) -> Work:
        return built_in if image_of(job) == TRAINING_IMAGE else container

    return TrainingWork(store, clock, root, choose).kind()
