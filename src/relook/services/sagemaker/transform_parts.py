"""Transforms as the app wires them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relook.blobs.folder import FolderBlobs
from relook.containers.api import Driver
from relook.containers.serving.api import Starter
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.core.clock import Clock
from relook.jobs.api import JobKind
from relook.services.sagemaker.transform_job import TransformJobs
from relook.store.engine import Store


def transform_kind(
    *, store: Store, blobs: FolderBlobs, clock: Clock, driver: Driver, folder: Path, prefix: str, gpu: bool = False
) -> JobKind:
    """The job that transforms, to be made in the process that runs it.

    `folder` is for unpacked model data; the names of containers begin with `prefix`; `gpu` says that there is one.
    """

    @contextmanager
    def starting() -> Iterator[Starter]:
        models = ModelFolder(folder, blobs)
        starter = InstanceStarter(driver, models)
        try:
            yield starter
        finally:
            starter.close()
            models.close()

    return TransformJobs(store, blobs, clock, starting, prefix=prefix, reap=driver.reap, gpu=gpu).kind()
