"""The durable queue: every change of a job is one conditional UPDATE inside the caller's transaction.

The services call `enqueue`, `request_cancel`, `find`, `list_jobs` and `events`; the rest belongs to the worker. Who
runs a job holds a Claim, and every write of the runner is conditional on it: a runner that was given up (its
supervisor died, its lease ran out) can no longer change anything.

JobQueueError
 +-- ClaimLost      the job is no longer run under this claim
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from relook.jobs.api import Payload
from relook.jobs.states import TRANSITIONS, JobState
from relook.store.tables.jobs import job_events, jobs


class JobQueueError(Exception):
    """The queue refused a change."""


class ClaimLost(JobQueueError):
    """The job is no longer run under this claim; whatever was in hand must not be written."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job: this worker's, for this attempt."""

    job_id: str
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A stage's name, its steps done and its steps in all (0 when unknown)."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`. Times are milliseconds since the epoch; `reason` says why it failed, or has to run again."""

    id: str
    kind: str
    lane: str
    subject: str
    payload: Mapping[str, Any]
    state: JobState
    attempt: int
    available: int
    worker: str | None
    worker_pid: int | None
    pid: int | None
    lease_until: int | None
    progress: Progress
    reason: str
    cancel_requested: bool
    created: int
    started: int | None
    finished: int | None

    @property
    def claim(self) -> Claim:
        """The claim a RUNNING job is run under."""
        return Claim(self.id, self.worker or "", self.attempt)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A line of a job's history."""

    attempt: int
    created: int
    message: str


def enqueue(connection: Connection, *, kind: str, lane: str, subject: str, payload: Payload, now: int) -> str:
    """Add a job for the resource `subject` (its ARN); returns the job's id.

    Wake the worker after the transaction has committed.
    """
    job_id = uuid.uuid4().hex
    connection.execute(
        insert(jobs).values(
            id=job_id,
            kind=kind,
            lane=lane,
            subject=subject,
            payload=dict(payload),
            state=JobState.QUEUED,
            available=now,
            created=now,
        )
    )
    add_event(connection, job_id, 0, now, "queued")
    return job_id


def request_cancel(connection: Connection, job_id: str, now: int) -> bool:
    """Ask for the job's end; False when it had ended, or had been asked, or never was.

    The worker then ends it as CANCELLED, calling its kind's `fail` with that reason in that transaction.
    A job that succeeds before it notices stays SUCCEEDED.
    """
    changed = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)), ~jobs.c.cancel_requested)
        .values(cancel_requested=True)
        .returning(jobs.c.attempt)
    ).first()
    if changed is None:
        return False
    add_event(connection, job_id, changed.attempt, now, "cancellation requested")
    return True


def find(connection: Connection, job_id: str) -> Job | None:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    return None if row is None else _job(row)


def list_jobs(
    connection: Connection,
    *,
    subject: str | None = None,
    kind: str | None = None,
    states: Collection[JobState] | None = None,
    limit: int = 100,
) -> list[Job]:
    """The newest jobs first, at most `limit`, narrowed by whatever is given."""
    query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
    if subject is not None:
        query = query.where(jobs.c.subject == subject)
    if kind is not None:
        query = query.where(jobs.c.kind == kind)
    if states is not None:
        query = query.where(jobs.c.state.in_(list(states)))
    return [_job(row) for row in connection.execute(query)]


def events(connection: Connection, job_id: str) -> list[JobEvent]:
    """The job's history, oldest first."""
    query = select(job_events).where(job_events.c.job_id == job_id).order_by(job_events.c.number)
    return [JobEvent(row.attempt, row.created, row.message) for row in connection.execute(query)]


def add_event(connection: Connection, job_id: str, attempt: int, now: int, message: str) -> None:
    connection.execute(insert(job_events).values(job_id=job_id, attempt=attempt, created=now, message=message))


def claim(
    connection: Connection, *, worker: str, worker_pid: int, now: int, lease_until: int, full_lanes: Collection[str]
) -> Job | None:
    """Take the oldest job that may start, in a lane with room; None when there is none."""
    candidate = (
        select(jobs.c.id)
        .where(jobs.c.state == JobState.QUEUED, ~jobs.c.cancel_requested, jobs.c.available <= now)
        .where(jobs.c.lane.not_in(list(full_lanes)))
        .order_by(jobs.c.number)
        .limit(1)
    )
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == candidate.scalar_subquery(), jobs.c.state == JobState.QUEUED)
        .values(
            state=JobState.RUNNING,
            attempt=jobs.c.attempt + 1,
            worker=worker,
            worker_pid=worker_pid,
            pid=None,
            lease_until=lease_until,
            started=now,
            stage="",
            done=0,
            total=0,
        )
        .returning(*jobs.c)
    ).first()
    if row is None:
        return None
    add_event(connection, row.id, row.attempt, now, f"started, attempt {row.attempt}")
    return _job(row)


def next_start(connection: Connection, *, full_lanes: Collection[str]) -> int | None:
    """When the next queued job in a lane with room may start: a time that may have passed; None without one."""
    query = (
        select(jobs.c.available)
        .where(jobs.c.state == JobState.QUEUED, ~jobs.c.cancel_requested, jobs.c.lane.not_in(list(full_lanes)))
        .order_by(jobs.c.available)
        .limit(1)
    )
    return connection.execute(query).scalar()


def running(connection: Connection) -> list[Job]:
    """Every job in state RUNNING, whoever runs it."""
    return [_job(row) for row in connection.execute(select(jobs).where(jobs.c.state == JobState.RUNNING))]


def to_cancel(connection: Connection) -> list[Job]:
    """Queued and running jobs whose cancellation was asked for."""
    live = or_(jobs.c.state == JobState.QUEUED, jobs.c.state == JobState.RUNNING)
    return [_job(row) for row in connection.execute(select(jobs).where(jobs.c.cancel_requested, live))]


def beat(connection: Connection, held: Claim, *, pid: int, lease_until: int, progress: Progress | None = None) -> bool:
    """Keep the lease, and say how far the job is; returns whether its cancellation was asked for. Raises ClaimLost."""
    values: dict[str, Any] = {"pid": pid, "lease_until": lease_until}
    if progress is not None:
        values |= {"stage": progress.stage, "done": progress.done, "total": progress.total}
    row = connection.execute(_held(held).values(values).returning(jobs.c.cancel_requested)).first()
    if row is None:
        raise ClaimLost(f"job {held.job_id} is no longer run by this worker")
    return bool(row.cancel_requested)


def succeed(connection: Connection, held: Claim, now: int) -> None:
    """RUNNING -> SUCCEEDED. Raises ClaimLost."""
    _end(connection, held, JobState.SUCCEEDED, "", now)


def fail(connection: Connection, held: Claim, reason: str, now: int) -> None:
    """RUNNING -> FAILED, for good. Raises ClaimLost."""
    _end(connection, held, JobState.FAILED, reason, now)


def cancel(connection: Connection, held: Claim, reason: str, now: int) -> None:
    """RUNNING -> CANCELLED. Raises ClaimLost."""
    _end(connection, held, JobState.CANCELLED, reason, now)


def cancel_queued(connection: Connection, job_id: str, reason: str, now: int) -> bool:
    """QUEUED -> CANCELLED where it was asked for; False when the job was not in that state."""
    changed = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED, jobs.c.cancel_requested)
        .values(state=JobState.CANCELLED, reason=reason, finished=now)
        .returning(jobs.c.attempt)
    ).first()
    if changed is None:
        return False
    add_event(connection, job_id, changed.attempt, now, reason)
    return True


def requeue(
    connection: Connection, held: Claim, reason: str, *, now: int, available: int, counted: bool = True
) -> None:
    """RUNNING -> QUEUED, not to start before `available`; `counted` False gives the attempt back. Raises ClaimLost."""
    values: dict[str, Any] = {"available": available, "attempt": held.attempt if counted else held.attempt - 1}
    _leave(connection, held, JobState.QUEUED, reason, now, values)


def _end(connection: Connection, held: Claim, state: JobState, reason: str, now: int) -> None:
    _leave(connection, held, state, reason, now, {"finished": now})


def _leave(
    connection: Connection, held: Claim, state: JobState, reason: str, now: int, values: Mapping[str, Any]
) -> None:
    assert state in TRANSITIONS[JobState.RUNNING], state
    nobody = {"worker": None, "worker_pid": None, "pid": None, "lease_until": None}
    row = connection.execute(
        _held(held).values({**nobody, **values, "state": state, "reason": reason}).returning(jobs.c.id)
    ).first()
    if row is None:
        raise ClaimLost(f"job {held.job_id} is no longer run by this worker")
    add_event(connection, held.job_id, held.attempt, now, reason or state.lower())


def _held(held: Claim) -> Any:
    return update(jobs).where(
        jobs.c.id == held.job_id,
        jobs.c.state == JobState.RUNNING,
        jobs.c.worker == held.worker,
        jobs.c.attempt == held.attempt,
    )


def _job(row: Row[Any]) -> Job:
    values = dict(row._mapping)
    values.pop("number")
    progress = Progress(values.pop("stage"), values.pop("done"), values.pop("total"))
    return Job(**{**values, "state": JobState(values["state"]), "progress": progress})
