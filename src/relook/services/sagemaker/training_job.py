"""The job kind that trains: rows and results around what does the work, a container or our own engine."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from relook.blobs.errors import BlobError, NoRoom
from relook.containers.api import CannotRun, ContainerError
from relook.core.clipping import clip
from relook.core.clock import Clock
from relook.core.training import TrainingInputError
from relook.core.training.metrics import Metric
from relook.core.training.states import Stage, TrainingStatus
from relook.jobs.api import Completion, JobContext, JobFailed, JobKind, Payload
from relook.jobs.child import CANCELLED_REASON
from relook.services.sagemaker.training_monitor import Halt, Monitor
from relook.store import sagemaker_training as trainings
from relook.store.engine import Store
from relook.store.log_writer import LogWriter
from relook.store.sagemaker_training import TrainingJob

JOB = "sagemaker-training"
LANE = "sagemaker-training"
GROUP = "/aws/sagemaker/TrainingJobs"
_REASON_CHARACTERS = 1024
_KNOWN = ("AlgorithmError: ", "ClientError: ", "InternalServerError: ")


@dataclass(frozen=True, slots=True)
class Result:
    """`artifacts` is the address of what was stored, None where nothing was; `halted` says why it ended early."""

    artifacts: str | None
    metrics: Sequence[Metric]
    halted: Halt | None = None


class Work(Protocol):
    """What trains. JobFailed with a reason for the user, TrainingInputError, ContainerError, BlobError."""

    def __call__(self, job: TrainingJob, monitor: Monitor, folder: Path) -> Result: ...


class TrainingWork:
    """Runs the training of a payload `{"training": id}`."""

    def __init__(self, store: Store, clock: Clock, root: Path, choose: Callable[[TrainingJob], Work]) -> None:
        self._store = store
        self._clock = clock
        self._root = root
        self._choose = choose

    def kind(self) -> JobKind:
        return JobKind(JOB, LANE, self.run, self.failed)

    def run(self, context: JobContext, payload: Payload) -> Completion:
        """Train, store the results, and return what ends the training. Safe to repeat at any point."""
        job = self._begin(context, payload)
        if job is None:
            return _nothing
        if job.status is TrainingStatus.STOPPING:
            return self._completion(job, Result(None, (), Halt.STOPPED))
        with fresh_folder(self._root, str(job.id)) as folder, LogWriter(self._store, clock=self._clock) as writer:
            stream = f"{job.name}/algo-1-{self._clock() // 1000}"
            monitor = Monitor(self._store, self._clock, context, job, writer.sink(job.scope, GROUP, stream))
            try:
                result = self._choose(job)(job, monitor, folder)
            except NoRoom:
                raise  # the machine's trouble, not the training's: the worker tries again later
            except (TrainingInputError, BlobError, CannotRun) as error:
                raise JobFailed(f"ClientError: {error}") from error
            except ContainerError as error:
                raise JobFailed(f"InternalServerError: {error}") from error
        return self._completion(job, result)

    def failed(self, connection: Connection, payload: Payload, reason: str) -> None:
        """A training that was to be stopped has stopped, however it ended."""
        training, now = payload["training"], self._clock()
        job = trainings.get(connection, training)
        if job is not None and job.status is TrainingStatus.STOPPING:
            trainings.change_status(connection, training, TrainingStatus.STOPPED, Stage.STOPPED, now)
            return
        whose = "ClientError: " if reason == CANCELLED_REASON else "InternalServerError: "
        failure = clip(reason if reason.startswith(_KNOWN) else whose + reason, _REASON_CHARACTERS)
        trainings.change_status(connection, training, TrainingStatus.FAILED, Stage.FAILED, now, failure=failure)

    def _begin(self, context: JobContext, payload: Payload) -> TrainingJob | None:
        with self._store.write() as connection:
            if context.attempt > 1:
                trainings.enter(connection, payload["training"], Stage.RESTARTING, self._clock())
            job = trainings.get(connection, payload["training"])
        return job if job is not None and job.ended is None else None

    def _completion(self, job: TrainingJob, result: Result) -> Completion:
        def complete(connection: Connection) -> None:
            now, columns = self._clock(), {"artifacts": result.artifacts}
            trainings.set_metrics(connection, job.id, result.metrics)
            if result.halted is None:
                # Asked to stop when it was as good as done: then it has stopped, with everything it made.
                new, stage = TrainingStatus.COMPLETED, Stage.COMPLETED
                if trainings.change_status(connection, job.id, new, stage, now, **columns):
                    return
            overdue = result.halted is Halt.OVERDUE
            stage = Stage.MAX_RUNTIME_EXCEEDED if overdue else Stage.STOPPED
            trainings.change_status(connection, job.id, TrainingStatus.STOPPED, stage, now, **columns)

        return complete


@contextmanager
def fresh_folder(root: Path, name: str) -> Iterator[Path]:
    """A new folder for one run, gone afterwards; what an earlier, broken run left is removed first."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in root.glob(f"{name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = root / f"{name}.{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove what killed trainings left. Call it while none runs."""
    for left in root.iterdir() if root.is_dir() else ():
        shutil.rmtree(left, ignore_errors=True)


def _nothing(connection: Connection) -> None:
    """The training is gone, or has ended without this job."""
