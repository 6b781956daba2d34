"""Training in a container: its input before and while it runs, its results afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from relook.blobs.errors import NoRoom
from relook.blobs.folder import FolderBlobs
from relook.containers.api import CannotRun, Container, ContainerSpec, Driver
from relook.containers.training import files, results, scripts
from relook.containers.training.layout import HOST, Layout, resource_config
from relook.containers.training.pipes import Pipe
from relook.containers.training.syncing import FolderSync
from relook.core.training.channels import Channel, InputMode, channels
from relook.core.training.states import Stage
from relook.jobs.api import JobFailed
from relook.services.sagemaker import training_description as description
from relook.services.sagemaker.containers import pinned
from relook.services.sagemaker.training_job import Result
from relook.services.sagemaker.training_monitor import Halt, Halted, Monitor
from relook.services.sagemaker.training_request import CHECKPOINTS, TENSORBOARD, local_path, place_of
from relook.store.engine import StorageFull
from relook.store.sagemaker_training import TrainingJob

STOP_SECONDS = 120.0
"""Between SIGTERM and SIGKILL, as there: time to save a model."""
_LEAVE_SECONDS = 5.0
"""The same when the worker goes down: less than it has itself."""
_WAIT_SECONDS = 0.25
_SYNC_SECONDS = 10.0


class ContainerWork:
    """Implements `training_job.Work`. Names begin with `prefix`; `gpu`: whether this machine has one to hand on."""

    def __init__(
        self,
        blobs: FolderBlobs,
        driver: Driver,
        *,
        prefix: str,
        gpu: bool = False,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._blobs = blobs
        self._driver = driver
        self._prefix = prefix
        self._gpu = gpu
        self._stop_seconds = stop_seconds

    def __call__(self, job: TrainingJob, monitor: Monitor, folder: Path) -> Result:
        image = image_of(job)
        if not self._driver.runs(image):
            raise CannotRun(
                f"nothing here runs the image {image}: set up a container engine, or map it to a built-in runtime"
            )
        run = _Run(
            self._blobs,
            self._driver,
            job,
            monitor,
            folder,
            name=f"{self._prefix}{job.job_id}",
            gpu=self._gpu and _wants_gpu(job),
            stop_seconds=self._stop_seconds,
        )
        return run.result()


class _Run:
    """One attempt. The containers of all attempts at a job begin with `name`."""

    def __init__(
        self,
        blobs: FolderBlobs,
        driver: Driver,
        job: TrainingJob,
        monitor: Monitor,
        folder: Path,
        *,
        name: str,
        gpu: bool,
        stop_seconds: float,
    ) -> None:
        self._name = name
        self._gpu = gpu
        self._stop_seconds = stop_seconds
        self._blobs = blobs
        self._driver = driver
        self._job = job
        self._monitor = monitor
        definition = job.definition
        mode = definition["AlgorithmSpecification"]["TrainingInputMode"]
        self._channels = channels(definition.get("InputDataConfig") or (), mode)
        self._checkpoints = local_path(definition, "CheckpointConfig", CHECKPOINTS)
        self._tensorboard = local_path(definition, "TensorBoardOutputConfig", TENSORBOARD)
        extra = {inside: folder / name for name, inside in self._kept().items()}
        self._layout = Layout(folder, extra)
        self._syncs: list[FolderSync] = []
        self._broken: list[Exception] = []
        self._place = place_of(definition["OutputDataConfig"]["S3OutputPath"])

    def result(self) -> Result:
        self._driver.reap(self._name)  # what an attempt before this one has left
        try:
            self._prepare()
        except Halted as early:
            return Result(None, (), early.why)
        with ExitStack() as stack:
            for channel in self._channels:
                if channel.mode is InputMode.PIPE:
                    stack.callback(self._pipe(channel).close)
            self._monitor.enter(Stage.TRAINING)
            status, halted = self._train(f"{self._name}-{self._monitor.attempt}")
        return self._finish(status, halted)

    def _kept(self) -> dict[str, str]:
        paths = {"checkpoints": self._checkpoints, "tensorboard": self._tensorboard}
        return {name: path for name, path in paths.items() if path is not None}

    def _prepare(self) -> None:
        definition, layout = self._job.definition, self._layout
        self._monitor.enter(Stage.DOWNLOADING)
        self._monitor.begin()
        layout.make(self._channels)
        given, account = definition.get("HyperParameters") or {}, self._job.scope.account
        layout.configure("hyperparameters", scripts.bring(self._blobs, account, given, layout.data))
        layout.configure("inputdataconfig", {each.name: each.configuration for each in self._channels})
        instance = definition["ResourceConfig"]["InstanceType"]
        layout.configure("resourceconfig", resource_config(instance, self._isolated))
        for channel in self._channels:
            if channel.mode is not InputMode.PIPE:
                self._fill(channel)
        if self._checkpoints is not None:
            self._sync(self._checkpoints, definition["CheckpointConfig"]["S3Uri"]).fetch()
        if self._tensorboard is not None:
            self._sync(self._tensorboard, definition["TensorBoardOutputConfig"]["S3OutputPath"])

    def _fill(self, channel: Channel) -> None:
        def progress(done: int, total: int) -> None:
            self._monitor.progress(f"downloading {channel.name}", done, total)

        files.fill(self._blobs, self._job.scope.account, channel, self._layout.data / channel.name, progress)

    def _sync(self, inside: str, uri: str) -> FolderSync:
        sync = FolderSync(self._blobs, self._job.scope.account, self._layout.extra[inside], place_of(uri))
        self._syncs.append(sync)
        return sync

    def _pipe(self, channel: Channel) -> Pipe:
        return Pipe(self._blobs, self._job.scope.account, channel, self._layout.data, self._broken.append)

    @property
    def _isolated(self) -> bool:
        return bool(self._job.definition.get("EnableNetworkIsolation"))

    def _spec(self, name: str) -> ContainerSpec:
        given = self._job.definition["AlgorithmSpecification"]
        entrypoint, arguments = given.get("ContainerEntrypoint"), given.get("ContainerArguments")
        own = {"TRAINING_JOB_NAME": self._job.name, "TRAINING_JOB_ARN": description.arn(self._job)}
        return ContainerSpec(
            name=name,
            image=image_of(self._job),
            # Arguments take the place of `train`; an entry point of the caller's gets none that were not given.
            command=tuple(arguments) if arguments else () if entrypoint else ("train",),
            environment={"AWS_REGION": self._job.scope.region}
            | dict(self._job.definition.get("Environment") or {})
            | own,
            mounts=self._layout.mounts(self._channels),
            entrypoint=tuple(entrypoint) if entrypoint else None,
            hostname=HOST,
            isolated=self._isolated,
            gpu=self._gpu,
        )

    def _train(self, name: str) -> tuple[int, Halt | None]:
        """The exit status, and why it was ended if it was. What the container left running is gone."""
        with self._started(name) as container:
            sync_at = time.monotonic() + _SYNC_SECONDS
            while (status := container.wait(_WAIT_SECONDS)) is None:
                self._monitor.report("training")
                halt = self._monitor.halt()
                if halt is not None or self._broken:
                    return self._stop(container), halt
                if time.monotonic() >= sync_at:
                    self._send_some()
                    sync_at = time.monotonic() + _SYNC_SECONDS
            return status, None

    @contextmanager
    def _started(self, name: str) -> Iterator[Container]:
        container = self._driver.start(self._spec(name), self._monitor.line)
        try:
            yield container
        finally:
            container.stop(_LEAVE_SECONDS)

    def _stop(self, container: Container) -> int:
        """SIGTERM, and the time it has; while the worker is told that this goes on."""
        ended: list[int] = []
        thread = threading.Thread(target=lambda: ended.append(container.stop(self._stop_seconds)), name="stop")
        thread.start()
        while thread.is_alive():
            self._monitor.report("stopping")
            thread.join(_WAIT_SECONDS)
        return ended[0] if ended else 1

    def _send_some(self) -> None:
        """What has changed; without room for it the training goes on, and the next round tries again."""
        try:
            for sync in self._syncs:
                sync.send()
        except (NoRoom, StorageFull) as error:
            self._monitor.line(f"relook: checkpoints wait: {error}")

    def _send_all(self) -> None:
        for sync in self._syncs:
            sync.send(everything=True)

    def _finish(self, status: int, halted: Halt | None) -> Result:
        until_room = self._monitor.until_room
        until_room(partial(self._monitor.enter, Stage.UPLOADING))
        self._monitor.report("uploading")
        until_room(self._send_all)
        prefix = f"{self._place.prefix}/" if self._place.prefix else ""
        prefix = f"{prefix}{self._job.name}/output/"
        packed = self._job.definition["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
        data = self._layout.output / "data"
        if not results.empty(data):
            self._store(data, f"{prefix}output.tar.gz" if packed else f"{prefix}data/", packed)
        if self._broken:
            raise self._broken[0]
        if status != 0 and halted is None:
            self._monitor.keep_metrics()
            text = results.failure_text(self._layout.output)
            raise JobFailed(f"AlgorithmError: {text}, exit code: {status}")
        artifacts = f"{prefix}model.tar.gz" if packed else f"{prefix}model/"
        self._store(self._layout.model, artifacts, packed)
        return Result(f"s3://{self._place.bucket}/{artifacts}", self._monitor.metrics.latest(), halted)

    def _store(self, folder: Path, key: str, packed: bool) -> None:
        store = results.store_archive if packed else results.store_files
        account, note = self._job.scope.account, self._monitor.line
        self._monitor.until_room(partial(store, self._blobs, account, self._place.bucket, key, folder, note))


def image_of(job: TrainingJob) -> str:
    if job.algorithm is not None:
        specification = job.algorithm["specification"]
        return pinned(specification["TrainingImage"], specification.get("TrainingImageDigest"))
    return str(job.definition["AlgorithmSpecification"]["TrainingImage"])


def _wants_gpu(job: TrainingJob) -> bool:
    """The families p and g have one."""
    return str(job.definition["ResourceConfig"]["InstanceType"]).startswith(("ml.p", "ml.g"))
