"""The composition root: settings in, wired parts out. The only module that sees every layer."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relook import processes
from relook.aws.operation import Service
from relook.aws.sdk_files import write_models
from relook.blobs.folder import FolderBlobs
from relook.containers.api import ContainerError
from relook.containers.drivers import Drivers, name_prefix
from relook.containers.embedded.driver import EmbeddedDriver
from relook.containers.engine.driver import EngineDriver
from relook.containers.images import ImageTable, ImageTableError
from relook.core.clock import system_clock
from relook.datafolder import DataFolder
from relook.fleet.pool import LocalFleet
from relook.fleet.settings import FleetSettings
from relook.gateway.app import BODY_LIMIT, Gateway, build
from relook.iam.authorizer import AdministratorOnly
from relook.iam.keys import administrator
from relook.jobs.api import JobKind
from relook.jobs.artifacts import sweep_artifacts
from relook.jobs.child import run_job as run_claimed
from relook.jobs.lock import hold as hold_worker_lock
from relook.jobs.supervisor import Supervisor
from relook.jobs.worker import Worker
from relook.services import autoscaling, iam, logs, lookoutvision, rekognition, s3, sagemaker, sts
from relook.settings import Settings, SettingsError
from relook.store.engine import Store
from relook.vision.trainer import engine

_log = logging.getLogger(__name__)
DATASET_JOBS = 2
"""Dataset checks at once."""
TRANSFORM_JOBS = 2
"""Batch transforms at once; further ones wait."""
_NVIDIA = Path("/dev/nvidiactl")
"""There where the driver of an NVIDIA GPU is."""
_LEFTOVER_PATIENCE = 15
"""Seconds in which the jobs of a server that was killed are gone: the kernel ends them with it."""


@dataclass(frozen=True, slots=True)
class App:
    """A wired server: `gateway` is the ASGI application."""

    gateway: Gateway
    hosting: lookoutvision.Hosting
    worker: Worker


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[App]:
    """Everything but the port: opened, recovered and started; ended in good order when the block ends.

    To be used on the main thread, whose end the unit processes do not survive, while `DataFolder.hold` is held.
    Raises KeyFileError, WorkerRunning, OSError, StorageFull.
    """
    folder = DataFolder(settings.data)
    keys = administrator(folder.key, settings.account)
    write_models(folder.models)
    store = Store.open(folder.database)
    blobs = FolderBlobs(store, folder.objects, system_clock)
    with hold_worker_lock(folder.worker_lock, _LEFTOVER_PATIENCE):  # nobody of an earlier server writes any more
        blobs.sweep()
        kept = (lookoutvision.kept_artifacts, rekognition.kept_artifacts)
        sweep_artifacts(folder.artifacts, *(partial(of_service, store) for of_service in kept))
        sagemaker.sweep_trainings(folder.training)
        _clear_away(settings, folder)
    parts = _wired(settings, folder, store, blobs)
    gateway = build(
        parts.services,
        keys,
        AdministratorOnly(),
        virtual_host=settings.s3_host or None,
        body_limits={"sagemaker": max(BODY_LIMIT, (settings.invocation_mib + 1) * 2**20)},
    )
    parts.worker.start()
    try:
        await parts.hosting.start()
        await parts.label_hosting.start()
        await parts.hosts.start()
        parts.autoscaler.start()
        parts.expiry.start()
        yield App(gateway, parts.hosting, parts.worker)
    finally:
        await parts.expiry.close()
        await parts.autoscaler.close()
        await parts.hosts.close()
        await parts.label_hosting.close()
        await parts.hosting.close()
        await parts.fleet.close()
        await asyncio.to_thread(parts.worker.close)
        store.close()


async def offered(settings: Settings) -> tuple[Service, ...]:
    """The services that a server with these settings has; nothing is started. Their data folder must exist."""
    folder = DataFolder(settings.data)
    store = Store.open(folder.database)
    try:
        return _wired(settings, folder, store, FolderBlobs(store, folder.objects, system_clock)).services
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is wired together; nothing of it runs yet."""

    fleet: LocalFleet
    hosting: lookoutvision.Hosting
    label_hosting: rekognition.Hosting
    hosts: sagemaker.Hosts
    autoscaler: autoscaling.Autoscaler
    expiry: logs.Expiry
    worker: Worker
    services: tuple[Service, ...]


def _wired(settings: Settings, folder: DataFolder, store: Store, blobs: FolderBlobs) -> _Parts:
    fleet = LocalFleet(FleetSettings(threads=settings.unit_threads, device=settings.device))
    hosting = lookoutvision.Hosting(store, fleet, folder.artifacts)
    worker = Worker([*_SELF, "_worker", settings.dump(), str(os.getpid())])
    vision = lookoutvision.service(
        store=store,
        blobs=blobs,
        hosting=hosting,
        artifacts_root=folder.artifacts,
        wake_jobs=worker.wake,
        limits=lookoutvision.Limits(trainings=settings.trainings, inference_units=settings.inference_units),
    )
    label_hosting = rekognition.Hosting(store, fleet, folder.artifacts)
    labels = rekognition.service(
        store=store,
        blobs=blobs,
        hosting=label_hosting,
        artifacts_root=folder.artifacts,
        wake_jobs=worker.wake,
        limits=_label_limits(settings),
    )
    hosts = _hosts(settings, folder, store, blobs)
    trainings = sagemaker.TrainingJobs(store, blobs, worker.wake)
    nouns = (*hosts.nouns, trainings, sagemaker.Transforms(store, blobs, worker.wake))
    endpoints = sagemaker.services(store=store, nouns=nouns, runtime=hosts.runtime)
    around = (s3.service(blobs, system_clock), sts.service(), logs.service(store), iam.service(store))
    scaling = autoscaling.service(store, hosts.scaling)
    autoscaler = autoscaling.Autoscaler(store, hosts.scaling)
    services = (vision, labels, *around, *endpoints, scaling)
    return _Parts(fleet, hosting, label_hosting, hosts, autoscaler, logs.Expiry(store), worker, services)


def _label_limits(settings: Settings) -> rekognition.Limits:
    return rekognition.Limits(
        projects=settings.label_projects,
        versions=settings.label_versions,
        trainings=settings.trainings,
        running=settings.label_running,
        inference_units=settings.inference_units,
        policies=settings.label_policies,
    )


def _hosts(settings: Settings, folder: DataFolder, store: Store, blobs: FolderBlobs) -> sagemaker.Hosts:
    options = sagemaker.HostsOptions(
        instances=settings.endpoint_instances,
        hosting=sagemaker.HostingOptions(
            prefix=name_prefix(folder.root, "endpoint"),
            idle_seconds=settings.endpoint_idle_seconds,
            gpu=_NVIDIA.exists(),
        ),
        invocations=sagemaker.InvocationLimits(body_bytes=settings.invocation_mib * 2**20),
    )
    return sagemaker.Hosts(store, blobs, _driver(settings), folder.serving, options)


def _clear_away(settings: Settings, folder: DataFolder) -> None:
    """What jobs of an earlier server have left running. It is in nobody's way, so trouble with it is only told."""
    try:
        for use in ("train", "transform"):
            _driver(settings).reap(name_prefix(folder.root, use))
    except ContainerError as error:
        _log.warning("containers of an earlier server may still run: %s", error)


def _driver(settings: Settings) -> Drivers:
    """What runs containers: our own runtimes in a sandbox, every other image in an engine. Raises SettingsError."""
    try:
        table = ImageTable(settings.images)
    except ImageTableError as error:
        raise SettingsError(f"the setting images: {error}") from error
    embedded = EmbeddedDriver(table, network=settings.sandbox_network)
    return Drivers([embedded, EngineDriver(settings.container_engine, settings.pull_images)], table)


_SELF = [sys.executable, "-m", "relook"]


def _job_kinds(settings: Settings, store: Store) -> list[JobKind]:
    folder = DataFolder(settings.data)
    blobs = FolderBlobs(store, folder.objects, system_clock)
    vision = lookoutvision.job_kinds(
        store=store,
        blobs=blobs,
        clock=system_clock,
        artifacts_root=folder.artifacts,
        data=folder.root,
        relaxed_minimums=settings.relaxed_minimums,
        precision=settings.precision,
        seconds=settings.anomaly_minutes * 60,
        milliseconds=settings.anomaly_milliseconds or math.inf,
    )
    labels = rekognition.job_kinds(
        store=store,
        blobs=blobs,
        clock=system_clock,
        artifacts_root=folder.artifacts,
        data=folder.root,
        limits=_label_limits(settings),
        budgets=rekognition.Budgets(settings.classifier_minutes * 60, settings.detector_minutes * 60),
        precision=settings.precision,
        detector_steps=settings.detector_steps or None,
        detector_mirroring=settings.detector_mirroring,
    )
    training = sagemaker.training_kind(
        store=store,
        blobs=blobs,
        clock=system_clock,
        driver=_driver(settings),
        trainer=engine(
            folder.root, settings.precision, settings.anomaly_minutes * 60, settings.anomaly_milliseconds or math.inf
        ),
        root=folder.training,
        prefix=name_prefix(folder.root, "train"),
        gpu=_NVIDIA.exists(),
        relaxed_minimums=settings.relaxed_minimums,
    )
    transform = sagemaker.transform_kind(
        store=store,
        blobs=blobs,
        clock=system_clock,
        driver=_driver(settings),
        folder=folder.serving,
        prefix=name_prefix(folder.root, "transform"),
        gpu=_NVIDIA.exists(),
    )
    return [*vision, *labels, training, transform]


def run_worker(settings: Settings, server: int) -> None:
    """The job worker process of the server with process id `server`; returns when that ends it."""
    try:
        processes.die_with(server)
    except processes.ParentGone as error:
        _log.error("job worker: %s", error)
        return
    folder = DataFolder(settings.data)
    store = Store.open(folder.database)
    Supervisor(
        store,
        _job_kinds(settings, store),
        lanes={
            lookoutvision.DATASET_LANE: DATASET_JOBS,
            lookoutvision.TRAINING_LANE: settings.trainings,
            rekognition.DATASET_LANE: DATASET_JOBS,
            rekognition.TRAINING_LANE: settings.trainings,
            sagemaker.TRAINING_LANE: settings.trainings,
            sagemaker.TRANSFORM_LANE: TRANSFORM_JOBS,
        },
        child_command=lambda job_id: [*_SELF, "_job", settings.dump(), job_id],
        lock=folder.worker_lock,
    ).run()


def run_job(settings: Settings, job_id: str) -> int:
    """The process of one job; its exit status is for the worker."""
    store = Store.open(DataFolder(settings.data).database)
    kinds = {kind.name: kind for kind in _job_kinds(settings, store)}
    return run_claimed(store, kinds, job_id)
