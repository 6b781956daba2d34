"""A job's own process: the app wires the kinds, and `run_job` does the rest."""

from __future__ import annotations

import logging
import os
import signal
import traceback
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from relook import processes
from relook.core.clock import Clock, system_clock
from relook.jobs import queue
from relook.jobs.api import Completion, JobCancelled, JobFailed, JobKind
from relook.jobs.policy import DISK_FULL_REASON, Exit, Policy, disk_full, machine_trouble
from relook.jobs.reporter import JobStopped, Reporter
from relook.jobs.states import JobState
from relook.store.engine import Store

_log = logging.getLogger(__name__)
CANCELLED_REASON = "It was cancelled."
_OOM_SCORE = 500


def run_job(
    store: Store,
    kinds: Mapping[str, JobKind],
    job_id: str,
    *,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    clock: Clock = system_clock,
) -> int:
    """Run the job that the supervisor, this process' parent, has claimed; returns the process' exit status.

    Call it on the main thread (it handles signals). However it ends, the job's row and its kind's `fail` or
    Completion are written in one transaction; a crash leaves the row RUNNING, which the supervisor sees to.
    """
    with store.read() as connection:
        job = queue.find(connection, job_id)
    if job is None or job.state is not JobState.RUNNING or job.worker_pid is None:
        _log.error("job %s is not claimed by a worker: nothing done", job_id)
        return Exit.SETTLED
    try:
        processes.die_with(job.worker_pid)
    except processes.ParentGone as error:
        _log.error("job %s: %s", job_id, error)
        return Exit.SETTLED
    kind = kinds.get(job.kind)
    if kind is None:
        _log.error("job %s: there is no job of kind %r here", job_id, job.kind)
        return Exit.UNKNOWN_KIND
    os.nice(policy.niceness)
    processes.volunteer_for_oom(_OOM_SCORE)
    return _Runner(store, kind, job, Reporter(store, job.claim, policy, clock), clock).run()


class _Runner:
    def __init__(self, store: Store, kind: JobKind, job: queue.Job, reporter: Reporter, clock: Clock) -> None:
        self._store = store
        self._kind = kind
        self._job = job
        self._reporter = reporter
        self._clock = clock

    def run(self) -> int:
        signal.signal(signal.SIGTERM, lambda number, frame: self._reporter.stop())
        signal.signal(signal.SIGUSR1, lambda number, frame: self._reporter.look())
        try:
            self._reporter.start()
            return self._work()
        except queue.ClaimLost as error:
            _log.warning("%s: its work is dropped", error)
            return Exit.SETTLED
        except Exception as error:
            if disk_full(error):
                _log.error("job %s: %s", self._job.id, DISK_FULL_REASON)
                return Exit.DISK_FULL
            if machine_trouble(error):
                _log.exception("job %s: the database did not answer", self._job.id)
                return Exit.DATABASE
            raise

    def _work(self) -> int:
        try:
            self._reporter.check()
            completion = self._kind.run(self._reporter, self._job.payload)
            self._complete(completion)
        except JobStopped:
            return Exit.STOPPED
        except JobCancelled:
            return self._cancel()
        except JobFailed as error:
            self._fail(str(error))
        except queue.ClaimLost:
            raise
        except Exception as error:
            if machine_trouble(error):
                raise  # the machine's trouble, not the job's: the supervisor tries it again
            self._reporter.log(traceback.format_exc())
            self._fail(f"internal error: {type(error).__name__}: {error}")
        finally:
            self._reporter.finish()
        return Exit.SETTLED

    def _complete(self, completion: Completion) -> None:
        self._reporter.finish()
        with self._store.write() as connection:
            completion(connection)
            queue.succeed(connection, self._job.claim, self._clock())

    def _cancel(self) -> int:
        if not self._reporter.lost:
            self._end(CANCELLED_REASON, queue.cancel)
        return Exit.SETTLED

    def _fail(self, reason: str) -> None:
        self._end(reason, queue.fail)

    def _end(self, reason: str, change: Callable[[Connection, queue.Claim, str, int], None]) -> None:
        self._reporter.finish()
        with self._store.write() as connection:
            self._kind.fail(connection, self._job.payload, reason)
            change(connection, self._job.claim, reason, self._clock())
