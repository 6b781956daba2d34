"""A running training's eye on the clock and on its row: whether it may go on, and where it says how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum, auto

from relook.blobs.errors import NoRoom
from relook.core.clock import Clock
from relook.core.training.metrics import Metrics
from relook.core.training.states import Stage, TrainingStatus
from relook.jobs.api import JobContext
from relook.store import sagemaker_training as trainings
from relook.store.engine import StorageFull, Store
from relook.store.sagemaker_training import TrainingJob

_LOOK_SECONDS = 0.5
_ROOM_SECONDS, _ROOM_PAUSE = 3600.0, 5.0
"""For how long results wait for room on the disk, and how often they are tried."""
_log = logging.getLogger(__name__)


class Halt(Enum):
    """Why a training has to end before it has finished."""

    STOPPED = auto()
    OVERDUE = auto()


class Halted(Exception):
    """Raised by `Monitor.check`."""

    def __init__(self, why: Halt) -> None:
        super().__init__(why.name)
        self.why = why


class Monitor:
    """Of one attempt. MaxRuntimeInSeconds counts from `begin`, for this attempt alone."""

    def __init__(
        self, store: Store, clock: Clock, context: JobContext, job: TrainingJob, write: Callable[[str], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._context = context
        self._job = job
        self._write = write
        self._limit: int = job.definition["StoppingCondition"]["MaxRuntimeInSeconds"]
        self._deadline: float | None = None
        self._look_at = 0.0
        self._stopping = False
        definitions = list(job.definition["AlgorithmSpecification"].get("MetricDefinitions") or ())
        if job.algorithm is not None:
            definitions += job.algorithm["specification"].get("MetricDefinitions") or ()
        self.metrics = Metrics(definitions)

    @property
    def attempt(self) -> int:
        return self._context.attempt

    def line(self, text: str) -> None:
        """A line of output: to the log, and to the metrics. Any thread."""
        self._write(text)
        self.metrics.read(text, self._clock())

    def metric(self, name: str, value: float) -> None:
        """A metric and its line."""
        self._write(f"{name}={value:.6g}")
        self.metrics.put(name, value, self._clock())

    def enter(self, stage: Stage) -> None:
        """Show the stage."""
        with self._store.write() as connection:
            trainings.enter(connection, self._job.id, stage, self._clock())

    def begin(self) -> None:
        """The time that may be used begins."""
        self._deadline = time.monotonic() + self._limit

    @property
    def left(self) -> float:
        """Seconds of the time that may be used; all of them before it begins."""
        return self._limit if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report, and see whether to go on: Halted, and JobCancelled when the worker goes down."""
        self._context.progress(stage, done, total)
        why = self.halt()
        if why is not None:
            raise Halted(why)

    def halt(self) -> Halt | None:
        """Why to end now, or None."""
        if self._asked_to_stop():
            return Halt.STOPPED
        return Halt.OVERDUE if self._deadline is not None and time.monotonic() > self._deadline else None

    def keep_metrics(self) -> None:
        """Write what was read so far: for a training that fails."""
        with self._store.write() as connection:
            trainings.set_metrics(connection, self._job.id, self.metrics.latest())

    def until_room(self, write: Callable[[], None]) -> None:
        """Call `write`, again and again while the disk is full: what was trained is worth waiting for.

        JobCancelled when the worker goes down; NoRoom and StorageFull after an hour, and once it is to be stopped.
        """
        end = time.monotonic() + _ROOM_SECONDS
        while True:
            try:
                return write()
            except (NoRoom, StorageFull) as error:
                if time.monotonic() > end or self.halt() is Halt.STOPPED:
                    raise
                _log.warning("training %s: its results wait: the disk is full", self._job.name)
                self._write(f"relook: results wait: {error}")
            again = time.monotonic() + _ROOM_PAUSE
            while time.monotonic() < again:
                self.report("waiting for room on the disk")
                time.sleep(_LOOK_SECONDS)

    def report(self, stage: str) -> None:
        """Report alone: for what is being ended anyway. JobCancelled when the worker goes down."""
        self._context.progress(stage, 0, 0)

    def _asked_to_stop(self) -> bool:
        now = time.monotonic()
        if not self._stopping and now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            with self._store.read() as connection:
                job = trainings.get(connection, self._job.id)
            self._stopping = job is None or job.status is not TrainingStatus.IN_PROGRESS
        return self._stopping
