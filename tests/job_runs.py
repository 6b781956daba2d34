"""What is queued, run in the test's own process as a worker's children would, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relook.jobs import queue
from relook.jobs.api import JobFailed, JobKind
from relook.store.engine import Store


class Context:
    """A JobContext that keeps what it is told."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.attempt = 1
        self.stages: list[tuple[str, int, int]] = []
        self.lines: list[str] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        self.stages.append((stage, done, total))

    def log(self, message: str) -> None:
        self.lines.append(message)


class JobRuns:
    """`contexts` holds those of all jobs so far."""

    def __init__(self, store: Store, kinds: Mapping[str, JobKind], clock: Callable[[], int]) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self.contexts: list[Context] = []

    def claim(self) -> queue.Job | None:
        now = self._clock()
        with self._store.write() as connection:
            return queue.claim(connection, worker="test", worker_pid=1, now=now, lease_until=now, full_lanes=())

    def run_all(self, most: int = 100) -> None:
        for _ in range(most):
            job = self.claim()
            if job is None:
                return
            self.run(job)

    def run(self, job: queue.Job) -> None:
        kind, context = self._kinds[job.kind], Context(job.id)
        assert kind.lane == job.lane
        self.contexts.append(context)
        try:
            completion = kind.run(context, job.payload)
        except JobFailed as error:
            with self._store.write() as connection:
                kind.fail(connection, job.payload, str(error))
                queue.fail(connection, job.claim, str(error), self._clock())
        else:
            with self._store.write() as connection:
                completion(connection)
                queue.succeed(connection, job.claim, self._clock())
