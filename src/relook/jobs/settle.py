"""What becomes of a job whose process ended without saying so in the job's row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy import Connection

from relook.core.clock import Clock
from relook.jobs import queue
from relook.jobs.api import JobKind
from relook.jobs.child import CANCELLED_REASON
from relook.jobs.policy import Policy, machine_trouble
from relook.jobs.states import JobState
from relook.store.engine import Store

_log = logging.getLogger(__name__)


class Fate(Enum):
    CRASHED = auto()
    DISK_FULL = auto()
    STOPPED = auto()
    """By the worker's own end: the attempt does not count."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A claim that nobody works on any more, and why."""

    claim: queue.Claim
    fate: Fate
    reason: str


class Settler:
    """Writes endings into rows. Every method may raise StorageFull or OperationalError, and can be repeated then."""

    def __init__(self, store: Store, kinds: Mapping[str, JobKind], policy: Policy, clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._policy = policy
        self._clock = clock

    def settle(self, ending: Ending) -> None:
        """Queue the job again, or end it with a reason; nothing if its process had done so."""
        with self._store.read() as connection:
            job = queue.find(connection, ending.claim.job_id)
        if job is None or job.state is not JobState.RUNNING or job.claim != ending.claim:
            return
        kind = self._kinds.get(job.kind)
        if job.cancel_requested:
            self._finish(job, kind, CANCELLED_REASON, lambda c, why: queue.cancel(c, job.claim, why, self._clock()))
        elif ending.fate is Fate.STOPPED or (kind is not None and job.attempt < kind.max_attempts):
            self._again(job, ending)
        else:
            reason = self._last_words(job, kind, ending)
            self._finish(job, kind, reason, lambda c, why: queue.fail(c, job.claim, why, self._clock()))

    def cancel_queued(self, job: queue.Job) -> None:
        """End a job whose cancellation was asked for before it started."""

        def change(connection: Connection, reason: str) -> None:
            if not queue.cancel_queued(connection, job.id, reason, self._clock()):
                raise queue.ClaimLost(f"job {job.id} is not queued any more")

        self._finish(job, self._kinds.get(job.kind), CANCELLED_REASON, change)

    def _again(self, job: queue.Job, ending: Ending) -> None:
        now = self._clock()
        counted = ending.fate is not Fate.STOPPED
        delay = 0.0
        if counted:
            base = self._policy.disk_delay if ending.fate is Fate.DISK_FULL else self._policy.retry_delay
            delay = base * 2 ** (job.attempt - 1)
        with self._store.write() as connection:
            available = now + round(delay * 1000)
            queue.requeue(connection, job.claim, ending.reason, now=now, available=available, counted=counted)
        _log.warning("job %s (%s) has to run again: %s", job.id, job.kind, ending.reason)

    def _last_words(self, job: queue.Job, kind: JobKind | None, ending: Ending) -> str:
        if kind is None:
            return f"this version of Relook has no job of kind {job.kind!r}"
        return f"{ending.reason} (attempt {job.attempt} of {kind.max_attempts})"

    def _finish(
        self, job: queue.Job, kind: JobKind | None, reason: str, change: Callable[[Connection, str], None]
    ) -> None:
        """The kind's `fail` and the row's change in one transaction; the row's alone if `fail` itself is broken."""
        try:
            with self._store.write() as connection:
                change(connection, reason)
                if kind is not None:
                    kind.fail(connection, job.payload, reason)
        except queue.JobQueueError:
            raise
        except Exception as error:
            if machine_trouble(error):
                raise
            _log.exception("job %s: its kind %s could not record the failure", job.id, job.kind)
            with self._store.write() as connection:
                change(connection, f"{reason}; recording it failed: {type(error).__name__}: {error}")
        _log.warning("job %s (%s) ended: %s", job.id, job.kind, reason)
